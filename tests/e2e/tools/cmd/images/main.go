// Images pushes the fixtures of the end-to-end tests to a registry:
//
//	images ADDRESS
//
// The tags repeat two stories that people report: a tag of node without
// linux/s390x beside its neighbours that have it, and a slim flavour without
// linux/arm64/v8. Images for amd64 and arm64 hold a real program, so that the
// real node shows what becomes of them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// shape is the kind of document that a tag points at.
type shape int

const (
	ociIndex   shape = iota // an OCI image index, with an attestation entry as buildkit writes it
	dockerList              // a Docker manifest list
	plain                   // one OCI manifest
	dockerOne               // one Docker manifest
)

type fixture struct {
	name      string
	shape     shape
	platforms []string
}

const (
	amd64   = "linux/amd64"
	arm64   = "linux/arm64"
	arm64v8 = "linux/arm64/v8"
	ppc64le = "linux/ppc64le"
	s390x   = "linux/s390x"
)

func fixtures() []fixture {
	all := []fixture{
		{"pause:1", plain, []string{amd64}},
		{"node:22.15-bullseye-slim", ociIndex, []string{amd64, s390x, ppc64le}},
		{"node:bullseye-slim", ociIndex, []string{amd64, arm64v8, ppc64le, s390x}},
		{"app:plain-amd64", plain, []string{amd64}},
		{"app:plain-arm64", plain, []string{arm64}},
		{"app:docker-arm64", dockerOne, []string{arm64}},
		{"app:list", dockerList, []string{amd64, arm64}},
		{"app:noamd64", ociIndex, []string{arm64, s390x}},
		{"app:multi", ociIndex, []string{amd64, arm64, s390x}},
	}
	for _, tag := range []string{"18", "20", "22", "latest"} {
		all = append(all, fixture{"node:" + tag, ociIndex, []string{amd64, arm64v8, ppc64le}})
	}
	for _, tag := range []string{"12", "16", "17", "19", "21"} {
		all = append(all, fixture{"node:" + tag, ociIndex, []string{amd64, arm64v8, ppc64le, s390x}})
	}
	return all
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: images ADDRESS")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	builder := builder{tools: filepath.Dir(self)}
	for _, fixture := range fixtures() {
		tag, err := name.NewTag(address+"/"+fixture.name, name.Insecure)
		if err != nil {
			return err
		}
		if err := push(builder, tag, fixture); err != nil {
			return fmt.Errorf("failed to push %s: %w", tag, err)
		}
		fmt.Println(tag)
	}
	return nil
}

func push(builder builder, tag name.Tag, fixture fixture) error {
	switch fixture.shape {
	case ociIndex:
		index, err := builder.index(fixture, types.OCIImageIndex)
		if err != nil {
			return err
		}
		return remote.WriteIndex(tag, index)
	case dockerList:
		list, err := builder.index(fixture, types.DockerManifestList)
		if err != nil {
			return err
		}
		return remote.WriteIndex(tag, list)
	case plain, dockerOne:
		platform, err := v1.ParsePlatform(fixture.platforms[0])
		if err != nil {
			return err
		}
		image, err := builder.image(fixture, *platform)
		if err != nil {
			return err
		}
		return remote.Write(tag, image)
	}
	return fmt.Errorf("unknown shape %d", fixture.shape)
}
