package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// builder makes images from the programs that lie beside this one.
type builder struct {
	tools string
}

// index makes an index or a list, by mediaType, with an image per platform.
func (b builder) index(fixture fixture, mediaType types.MediaType) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, mediaType)
	for _, text := range fixture.platforms {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		image, err := b.image(fixture, *platform)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: platform},
		})
		if mediaType != types.OCIImageIndex {
			continue
		}
		attestation, err := attestationOf(image)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, attestation)
	}
	return index, nil
}

// image makes a single-layer image whose only content is its entry point.
func (b builder) image(fixture fixture, platform v1.Platform) (v1.Image, error) {
	program, err := b.program(platform)
	if err != nil {
		return nil, err
	}
	base, layerType := mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCILayer
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	if fixture.shape == dockerList || fixture.shape == dockerOne {
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
	return mutate.ConfigFile(image, func() *v1.ConfigFile {
		config, _ := image.ConfigFile()
		config = config.DeepCopy()
		config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
		config.Config.Entrypoint = []string{"/app"}
		// Each tag gets documents of its own: with equal digests the cache of
		// one test would answer for another.
		config.Config.Labels = map[string]string{"fixture": fixture.name}
		return config
	}())
}

// program is a real one where a node might run it, else a placeholder.
func (b builder) program(platform v1.Platform) ([]byte, error) {
	switch platform.Architecture {
	case "amd64", "arm64":
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
func attestationOf(image v1.Image) (mutate.IndexAddendum, error) {
	digest, err := image.Digest()
	if err != nil {
		return mutate.IndexAddendum{}, err
	}
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
