package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// builder makes the images of one fixture, from the programs that lie beside
// this one.
type builder struct {
	tools   string
	fixture string
	// Images so far.
	count *int
}

// index makes an index or a list, by shape.
func (b builder) index(shape shape, entries []entry) (v1.ImageIndex, error) {
	mediaType := types.OCIImageIndex
	if shape.isDocker() {
		mediaType = types.DockerManifestList
	}
	index := mutate.IndexMediaType(empty.Index, mediaType)
	subject := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for _, entry := range entries {
		addendum, err := b.addendum(shape, entry, subject)
		if err != nil {
			return nil, err
		}
		if subject, err = addendum.Add.Digest(); err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, addendum)
	}
	return index, nil
}

// addendum makes one entry; an attestation is for the subject.
func (b builder) addendum(shape shape, entry entry, subject v1.Hash) (mutate.IndexAddendum, error) {
	if entry.attestation {
		return attestationOf(subject)
	}
	var addendum mutate.IndexAddendum
	var err error
	if entry.nested != nil {
		addendum.Add, err = b.index(shape, entry.nested)
	} else {
		addendum.Add, err = b.image(shape, entry)
	}
	if err != nil || entry.platform == "" {
		return addendum, err
	}
	if addendum.Platform, err = v1.ParsePlatform(entry.platform); err != nil {
		return addendum, err
	}
	addendum.Platform.OSFeatures = entry.features
	return addendum, nil
}

// image makes a single-layer image whose only content is its entry point.
func (b builder) image(shape shape, entry entry) (v1.Image, error) {
	text := entry.config
	if text == "" {
		text = entry.platform
	}
	platform, err := v1.ParsePlatform(text)
	if err != nil {
		return nil, err
	}
	program, err := b.program(*platform)
	if err != nil {
		return nil, err
	}
	base, layerType := mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCILayer
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	if shape.isDocker() {
		base, layerType = mutate.MediaType(empty.Image, types.DockerManifestSchema2), types.DockerLayer
		base = mutate.ConfigMediaType(base, types.DockerConfigJSON)
	}
	layer, err := programLayer(program, layerType)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config.Entrypoint = []string{"/app"}
	// Each image has documents of its own: with equal digests a cache would
	// answer for another tag, and a node would have it already.
	*b.count++
	config.Config.Labels = map[string]string{"fixture": b.fixture, "image": strconv.Itoa(*b.count)}
	return mutate.ConfigFile(image, config)
}

// program is a real one where a node might run it, else a placeholder.
func (b builder) program(platform v1.Platform) ([]byte, error) {
	switch platform.Architecture {
	case "386", "amd64", "arm64":
		return os.ReadFile(filepath.Join(b.tools, "pause."+platform.Architecture))
	}
	return []byte("no node here runs " + platform.String() + "\n"), nil
}

func programLayer(program []byte, mediaType types.MediaType) (v1.Layer, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	header := tar.Header{Name: "app", Mode: 0o755, Size: int64(len(program))}
	if err := writer.WriteHeader(&header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(program); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}
	return tarball.LayerFromOpener(open, tarball.WithMediaType(mediaType))
}

// attestationOf is the entry that buildkit adds for each image: platform
// unknown/unknown, which must never count as a platform.
func attestationOf(digest v1.Hash) (mutate.IndexAddendum, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	statement := `{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"sha256":"` + digest.Hex + `"}}]}`
	attestation, err := mutate.AppendLayers(base, static.NewLayer([]byte(statement), "application/vnd.in-toto+json"))
	if err != nil {
		return mutate.IndexAddendum{}, err
	}
	config, err := attestation.ConfigFile()
	if err != nil {
		return mutate.IndexAddendum{}, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "unknown", "unknown"
	if attestation, err = mutate.ConfigFile(attestation, config); err != nil {
		return mutate.IndexAddendum{}, err
	}
	return mutate.IndexAddendum{
		Add: attestation,
		Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type":   "attestation-manifest",
				"vnd.docker.reference.digest": digest.String(),
			},
		},
	}, nil
}
