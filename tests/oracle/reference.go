package main

import (
	_ "crypto/sha256" // The kubelet registers the algorithms of digests so.
	_ "crypto/sha512"
	"encoding/json"

	"github.com/distribution/reference"
)

type referenceAnswer struct {
	Valid      bool   `json:"valid"`
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

// answerReference reads a name as ParseImageName of k8s.io/kubernetes/pkg/util/parsers.
func answerReference(line []byte) (any, error) {
	var asked struct {
		Image string `json:"image"`
	}
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(asked.Image)
	if err != nil {
		return referenceAnswer{}, nil
	}
	answer := referenceAnswer{
		Valid:      true,
		Registry:   reference.Domain(named),
		Repository: reference.Path(named),
	}
	if tagged, ok := named.(reference.Tagged); ok {
		answer.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		answer.Digest = digested.Digest().String()
	}
	if answer.Tag == "" && answer.Digest == "" {
		answer.Tag = "latest"
	}
	return answer, nil
}
