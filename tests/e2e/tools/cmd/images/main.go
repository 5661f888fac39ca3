// Images pushes the fixtures of the end-to-end tests to a registry:
//
//	images ADDRESS
//
// fixtures.go lists them, build.go makes them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

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
	tools := filepath.Dir(self)
	for _, fixture := range fixtures() {
		builder := builder{tools: tools, fixture: fixture.name, count: new(int)}
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
	if fixture.shape.isIndex() {
		index, err := builder.index(fixture.shape, fixture.entries)
		if err != nil {
			return err
		}
		return remote.WriteIndex(tag, index)
	}
	image, err := builder.image(fixture.shape, fixture.entries[0])
	if err != nil {
		return err
	}
	return remote.Write(tag, image)
}
