// Images pushes the fixtures of the end-to-end tests to a registry:
//
//	images ADDRESS                 all but the private ones
//	images ADDRESS USER PASSWORD   the private ones, as that user
//
// fixtures.go lists them, build.go makes them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	all, user := fixtures(), authn.Anonymous
	switch len(os.Args) {
	case 2:
	case 4:
		all, user = private(), &authn.Basic{Username: os.Args[2], Password: os.Args[3]}
	default:
		fmt.Fprintln(os.Stderr, "usage: images ADDRESS [USER PASSWORD]")
		os.Exit(2)
	}
	if err := run(os.Args[1], all, user); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(address string, all []fixture, user authn.Authenticator) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	tools := filepath.Dir(self)
	for _, fixture := range all {
		builder := builder{tools: tools, fixture: fixture.name, count: new(int)}
		tag, err := name.NewTag(address+"/"+fixture.name, name.Insecure)
		if err != nil {
			return err
		}
		if err := push(builder, tag, fixture, remote.WithAuth(user)); err != nil {
			return fmt.Errorf("failed to push %s: %w", tag, err)
		}
		fmt.Println(tag)
	}
	return nil
}

func push(builder builder, tag name.Tag, fixture fixture, auth remote.Option) error {
	if fixture.shape.isIndex() {
		index, err := builder.index(fixture.shape, fixture.entries)
		if err != nil {
			return err
		}
		return remote.WriteIndex(tag, index, auth)
	}
	image, err := builder.image(fixture.shape, fixture.entries[0])
	if err != nil {
		return err
	}
	return remote.Write(tag, image, auth)
}
