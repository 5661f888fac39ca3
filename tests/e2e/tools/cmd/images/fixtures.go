package main

// shape is the kind of document that a tag points at.
type shape int

const (
	ociIndex    shape = iota // an OCI image index
	dockerList               // a Docker manifest list
	ociImage                 // one OCI manifest
	dockerImage              // one Docker manifest
)

func (s shape) isIndex() bool  { return s == ociIndex || s == dockerList }
func (s shape) isDocker() bool { return s == dockerList || s == dockerImage }

// fixture is what one tag points at. A single manifest has one entry.
type fixture struct {
	name    string
	shape   shape
	entries []entry
}

// entry is one line of an index, and what it points at.
type entry struct {
	// What the index says; nothing when empty.
	platform string
	// What the config of the image says; the same when empty.
	config string
	// os.features, as the index says.
	features []string
	// Makes it a nested index.
	nested []entry
	// Makes it an attestation, as buildkit adds one for each image.
	attestation bool
}

const (
	amd64   = "linux/amd64"
	arm64   = "linux/arm64"
	arm64v8 = "linux/arm64/v8"
	i386    = "linux/386"
	ppc64le = "linux/ppc64le"
	s390x   = "linux/s390x"
)

var attestation = entry{attestation: true}

// images are entries that say the truth.
func images(platforms ...string) []entry {
	var entries []entry
	for _, platform := range platforms {
		entries = append(entries, entry{platform: platform})
	}
	return entries
}

// buildkit is an index as buildkit writes it: an attestation for each image.
func buildkit(platforms ...string) []entry {
	var entries []entry
	for _, image := range images(platforms...) {
		entries = append(entries, image, attestation)
	}
	return entries
}

// unnamed is an entry whose platform only the config tells.
func unnamed(config string) entry { return entry{config: config} }

// lying is an entry whose config contradicts the index.
func lying(platform, config string) entry { return entry{platform: platform, config: config} }

func fixtures() []fixture {
	all := []fixture{
		{"pause:1", ociImage, images(amd64)},
		{"app:plain-amd64", ociImage, images(amd64)},
		{"app:plain-arm64", ociImage, images(arm64)},
		{"app:docker-arm64", dockerImage, images(arm64)},
		{"app:list", dockerList, images(amd64, arm64)},
		{"app:noamd64", ociIndex, buildkit(arm64, s390x)},
		{"app:multi", ociIndex, buildkit(amd64, arm64, s390x)},
	}
	return append(append(all, stories()...), shapes()...)
}

// private are for the registries that want to know who asks.
func private() []fixture {
	return []fixture{
		{"team/app:multi", ociIndex, buildkit(amd64, arm64, s390x)},
		{"team/app:noamd64", ociIndex, buildkit(arm64, s390x)},
	}
}

// stories are two that people report: a tag of node without linux/s390x beside
// its neighbours that have it, and a slim flavour without linux/arm64/v8.
func stories() []fixture {
	all := []fixture{
		{"node:22.15-bullseye-slim", ociIndex, buildkit(amd64, s390x, ppc64le)},
		{"node:bullseye-slim", ociIndex, buildkit(amd64, arm64v8, ppc64le, s390x)},
	}
	for _, tag := range []string{"18", "20", "22", "latest"} {
		all = append(all, fixture{"node:" + tag, ociIndex, buildkit(amd64, arm64v8, ppc64le)})
	}
	for _, tag := range []string{"12", "16", "17", "19", "21"} {
		all = append(all, fixture{"node:" + tag, ociIndex, buildkit(amd64, arm64v8, ppc64le, s390x)})
	}
	return all
}

// shapes are for the node that really runs pods; reality.rs says what becomes
// of each there.
func shapes() []fixture {
	index := func(tag string, entries ...entry) fixture {
		return fixture{"shape:" + tag, ociIndex, entries}
	}
	nested := func(platform string, entries ...entry) entry {
		return entry{platform: platform, nested: entries}
	}
	return []fixture{
		index("amd64-last", images(arm64, s390x, amd64)...),
		index("alias", lying("linux/x86_64", amd64)),
		index("unnamed-right", unnamed(amd64)),
		index("unnamed-wrong", unnamed(arm64)),
		index("unnamed-right-last", entry{platform: arm64}, unnamed(amd64)),
		index("unnamed-right-first", unnamed(amd64), entry{platform: arm64}),
		index("unnamed-after-attestation", attestation, unnamed(amd64)),
		index("unnamed-wrong-first", unnamed(arm64), entry{platform: amd64}),
		index("unnamed-wrong-then-right", unnamed(arm64), unnamed(amd64)),
		index("unnamed-right-then-wrong", unnamed(amd64), unnamed(arm64)),
		index("lying", lying(amd64, arm64)),
		index("lying-away", lying(arm64, amd64)),
		index("duplicate-right-first", entry{platform: amd64}, lying(amd64, arm64)),
		index("duplicate-wrong-first", lying(amd64, arm64), entry{platform: amd64}),
		index("nested", nested(amd64, images(arm64, amd64)...)),
		index("nested-unnamed", nested("", images(arm64, amd64)...)),
		index("nested-lying", nested(arm64, images(amd64)...)),
		index("nested-last", entry{platform: arm64}, nested("", images(amd64)...)),
		index("nested-without", nested("", images(arm64)...)),
		index("386-only", images(i386)...),
		index("v2-only", images("linux/amd64/v2")...),
		index("v3-and-base", images("linux/amd64/v3", amd64)...),
		index("windows-only", images("windows/amd64")...),
		index("attestation-first", attestation, entry{platform: amd64}),
		index("attestations-only", attestation, attestation),
		index("features", entry{platform: amd64, features: []string{"sse4"}}),
		{"shape:list-without", dockerList, images(arm64, s390x)},
		{"shape:list-unnamed", dockerList, []entry{unnamed(amd64)}},
		{"shape:docker-amd64", dockerImage, images(amd64)},
		{"shape:docker-arm64", dockerImage, images(arm64)},
		{"shape:plain-s390x", ociImage, images(s390x)},
		{"shape:plain-386", ociImage, images(i386)},
	}
}
