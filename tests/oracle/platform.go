package main

import (
	"encoding/json"
	"fmt"

	digests "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A platform question: what does this runtime on this node pull of a registry with these
// documents? Documents are named by made-up digests.
type platformQuestion struct {
	Runtime   string                      `json:"runtime"`
	Node      ocispec.Platform            `json:"node"`
	Root      digests.Digest              `json:"root"`
	Documents map[digests.Digest]document `json:"documents"`
}

type document struct {
	MediaType string          `json:"mediaType"`
	Blob      json.RawMessage `json:"blob"`
}

// The way from the root, itself excluded, as far as the runtime goes, and how it ends.
type platformAnswer struct {
	Outcome outcome          `json:"outcome"`
	Path    []digests.Digest `json:"path"`
}

type outcome string

const (
	picked  outcome = "picked"  // the last document of the path is what would run
	missing outcome = "missing" // nothing is for the node
	absent  outcome = "absent"  // the registry does not have the last document of the path
)

func answerPlatform(line []byte) (any, error) {
	var asked platformQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	switch asked.Runtime {
	case "containerd-transfer":
		return asked.containerdTransfer()
	case "containerd-local":
		return asked.containerdLocal()
	case "cri-o":
		return asked.criO()
	case "docker":
		return asked.docker(asked.Root)
	}
	return nil, fmt.Errorf("unknown runtime %q", asked.Runtime)
}

func (asked *platformQuestion) rootDescriptor() ocispec.Descriptor {
	return ocispec.Descriptor{Digest: asked.Root, MediaType: asked.Documents[asked.Root].MediaType}
}

func (asked *platformQuestion) index(digest digests.Digest) (ocispec.Index, error) {
	var index ocispec.Index
	err := json.Unmarshal(asked.Documents[digest].Blob, &index)
	return index, err
}
