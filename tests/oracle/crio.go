package main

import (
	"github.com/containerd/containerd/v2/core/images"
	digests "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// criO is copy.Image of containers/image, whose choice is ChooseInstance. What is chosen
// must be a manifest: "Unexpectedly received a manifest list" (copy/single.go).
func (asked *platformQuestion) criO() (any, error) {
	root := asked.Documents[asked.Root]
	if !images.IsIndexType(root.MediaType) {
		return platformAnswer{Outcome: picked, Path: []digests.Digest{}}, nil
	}
	list, err := manifest.ListFromBlob(root.Blob, root.MediaType)
	if err != nil {
		return nil, err
	}
	chosen, err := list.ChooseInstance(&types.SystemContext{
		OSChoice:           asked.Node.OS,
		ArchitectureChoice: asked.Node.Architecture,
		VariantChoice:      asked.Node.Variant,
	})
	if err != nil {
		return platformAnswer{Outcome: missing, Path: []digests.Digest{}}, nil
	}
	answer := platformAnswer{Outcome: picked, Path: []digests.Digest{chosen}}
	document, exists := asked.Documents[chosen]
	switch {
	case !exists:
		answer.Outcome = absent
	case images.IsIndexType(document.MediaType):
		answer.Outcome = missing
	}
	return answer, nil
}
