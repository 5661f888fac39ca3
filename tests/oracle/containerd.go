package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	transferimage "github.com/containerd/containerd/v2/core/transfer/image"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	digests "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// containerdLocal is a client-side pull: everything that is asked for can be fetched, and
// images.Manifest says what is taken.
func (asked *platformQuestion) containerdLocal() (any, error) {
	return asked.readImage(func(digests.Digest) bool { return true })
}

// containerdTransfer is a pull as the CRI plugin makes it since containerd 2.1: the
// transfer service fetches what its image store filters, then the CRI plugin reads the
// image's config by its default matcher, of what was fetched.
//
// A document that the registry lacks is passed over here; whether it matters is seen when
// the image is read. The transfer service fetches siblings too and would fail at any.
func (asked *platformQuestion) containerdTransfer() (any, error) {
	var (
		lock    sync.Mutex
		fetched = map[digests.Digest]bool{} // or asked for in vain
	)
	fetch := images.HandlerFunc(func(_ context.Context, descriptor ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		lock.Lock()
		fetched[descriptor.Digest] = true
		lock.Unlock()
		if _, exists := asked.Documents[descriptor.Digest]; !exists {
			return nil, images.ErrSkipDesc
		}
		return nil, nil
	})
	store := transferimage.NewStore("oracle", transferimage.WithPlatforms(asked.Node))
	children := store.ImageFilter(images.ChildrenHandler(&provider{asked: asked}), labels{})
	if err := images.Dispatch(context.Background(), images.Handlers(fetch, children), nil, asked.rootDescriptor()); err != nil {
		return nil, err
	}
	return asked.readImage(func(digest digests.Digest) bool { return fetched[digest] })
}

// readImage is client.Image.Config, which the CRI plugin calls after every pull.
func (asked *platformQuestion) readImage(has func(digests.Digest) bool) (any, error) {
	reads := &provider{asked: asked, has: has}
	_, err := images.Manifest(context.Background(), reads, asked.rootDescriptor(), defaultMatcher(asked.Node))
	answer := platformAnswer{Outcome: picked, Path: reads.path()}
	switch {
	case reads.lacking:
		answer.Outcome = absent
	case errdefs.IsNotFound(err):
		answer.Outcome = missing
	case err != nil:
		return nil, err
	}
	return answer, nil
}

// defaultMatcher is platforms.Default() on such a node.
func defaultMatcher(node ocispec.Platform) platforms.MatchComparer {
	if node.OS == "windows" {
		return windowsDefault{platforms.NewMatcher(node)}
	}
	return platforms.Only(node)
}

// windowsDefault is windowsMatchComparer of containerd/platforms, which other systems
// cannot name.
type windowsDefault struct{ platforms.Matcher }

func (c windowsDefault) Less(p1, p2 ocispec.Platform) bool {
	m1, m2 := c.Match(p1), c.Match(p2)
	if m1 && m2 {
		return p1.OSVersion > p2.OSVersion
	}
	return m1 && !m2
}

// provider hands out the documents of a question and remembers the way through them.
type provider struct {
	asked   *platformQuestion
	has     func(digests.Digest) bool // whether the runtime asked the registry for it
	read    []digests.Digest
	lacking bool
}

func (p *provider) ReaderAt(_ context.Context, descriptor ocispec.Descriptor) (content.ReaderAt, error) {
	document, exists := p.asked.Documents[descriptor.Digest]
	fetched := p.has == nil || p.has(descriptor.Digest)
	if fetched && (images.IsManifestType(descriptor.MediaType) || images.IsIndexType(descriptor.MediaType)) {
		p.read = append(p.read, descriptor.Digest)
	}
	p.lacking = p.lacking || (fetched && !exists)
	if !fetched || !exists {
		return nil, fmt.Errorf("content digest %s: %w", descriptor.Digest, errdefs.ErrNotFound)
	}
	return blob{bytes.NewReader(document.Blob)}, nil
}

// path is what was read below the root.
func (p *provider) path() []digests.Digest {
	return append([]digests.Digest{}, p.read[1:]...)
}

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// labels is a content store as far as the image store's filter needs one: it only labels.
type labels struct{ content.Store }

func (labels) Update(_ context.Context, info content.Info, _ ...string) (content.Info, error) {
	return info, nil
}
