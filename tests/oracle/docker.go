package main

import (
	"sort"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/platforms"
	digests "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// docker walks manifest lists as the graph-driver store of Docker Engine does. Its code
// cannot be imported (daemon/internal/distribution of github.com/moby/moby: pull_v2.go,
// pull_v2_unix.go, pull_v2_windows.go); the matcher that decides on Linux can.
//
// A document that the registry lacks ends the walk. Docker goes on where it lies in a
// nested list, but whether a registry has something is not for a prediction to rely on.
func (asked *platformQuestion) docker(from digests.Digest) (platformAnswer, error) {
	if !images.IsIndexType(asked.Documents[from].MediaType) {
		return platformAnswer{Outcome: picked, Path: []digests.Digest{}}, nil
	}
	index, err := asked.index(from)
	if err != nil {
		return platformAnswer{}, err
	}
	for _, match := range dockerMatches(asked.Node, index.Manifests) {
		document, exists := asked.Documents[match.Digest]
		if !exists {
			return platformAnswer{Outcome: absent, Path: []digests.Digest{match.Digest}}, nil
		}
		if !images.IsManifestType(document.MediaType) && !images.IsIndexType(document.MediaType) {
			continue
		}
		below, err := asked.docker(match.Digest)
		below.Path = append([]digests.Digest{match.Digest}, below.Path...)
		return below, err
	}
	return platformAnswer{Outcome: missing, Path: []digests.Digest{}}, nil
}

func dockerMatches(node ocispec.Platform, entries []ocispec.Descriptor) []ocispec.Descriptor {
	if node.OS == "windows" {
		return dockerWindowsMatches(node, entries)
	}
	matcher := platforms.Only(node)
	var matches []ocispec.Descriptor
	for _, entry := range entries {
		if stated := dockerPlatform(entry); stated == nil || matcher.Match(*stated) {
			matches = append(matches, entry)
		}
	}
	sort.SliceStable(matches, func(i, j int) bool {
		first, second := dockerPlatform(matches[i]), dockerPlatform(matches[j])
		return first != nil && (second == nil || matcher.Less(*first, *second))
	})
	return matches
}

// dockerPlatform knows no difference between a platform that says nothing and none.
func dockerPlatform(entry ocispec.Descriptor) *ocispec.Platform {
	stated := entry.Platform
	if stated == nil || (stated.OS == "" && stated.Architecture == "" && stated.Variant == "" &&
		stated.OSVersion == "" && len(stated.OSFeatures) == 0) {
		return nil
	}
	return stated
}

// On Windows the architecture is Go's own, entries for a newer build than the host's are
// dropped, and those for the host's own build, with any revision, come first.
func dockerWindowsMatches(node ocispec.Platform, entries []ocispec.Descriptor) []ocispec.Descriptor {
	hostBuild := dockerBuild(node.OSVersion)
	own := func(entry ocispec.Descriptor) bool {
		return strings.HasPrefix(entry.Platform.OSVersion, node.OSVersion+".")
	}
	var matches []ocispec.Descriptor
	for _, entry := range entries {
		stated := entry.Platform
		if stated == nil || stated.Architecture != node.Architecture || !strings.EqualFold(stated.OS, "windows") {
			continue
		}
		if build := dockerBuild(stated.OSVersion); build != nil && hostBuild != nil && *build > *hostBuild {
			continue
		}
		matches = append(matches, entry)
	}
	sort.SliceStable(matches, func(i, j int) bool { return own(matches[i]) && !own(matches[j]) })
	return matches
}

func dockerBuild(version string) *int {
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		return nil
	}
	build, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil
	}
	return &build
}
