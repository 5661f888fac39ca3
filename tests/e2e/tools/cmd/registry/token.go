package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuer   = "e2e"
	lifetime = 5 * time.Minute
)

// tokenServer gives tokens for one registry, on the registry's own address: over
// plain http nobody shows a password elsewhere.
// Source: https://distribution.github.io/distribution/spec/auth/token/
type tokenServer struct {
	address string
	keys    string
	signer  jose.Signer
}

func newTokenServer(address string) (*tokenServer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key := jose.JSONWebKey{Key: private, KeyID: "e2e", Algorithm: string(jose.ES256)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		return nil, err
	}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		return nil, err
	}
	keys, err := written("token-keys.json", public)
	return &tokenServer{address, keys, signer}, err
}

// auth is the setting of the registry that believes this server.
func (s *tokenServer) auth() configuration.Auth {
	return configuration.Auth{"token": {
		"realm": "http://" + s.address + "/token", "service": s.address, "issuer": issuer, "jwks": s.keys,
	}}
}

func (s *tokenServer) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	// Clients that would rather post a form ask again like this.
	if request.Method != http.MethodGet {
		writer.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	// Who shows nothing gets a token that opens nothing.
	var client account
	user, password, hasShown := request.BasicAuth()
	if hasShown {
		var known bool
		if client, known = accountOf(user, password); !known {
			writer.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	text, err := s.token(user, client, request.URL.Query()["scope"])
	if err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(writer).Encode(map[string]any{"token": text, "expires_in": lifetime.Seconds()})
}

func (s *tokenServer) token(user string, client account, scopes []string) (string, error) {
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: issuer, Subject: user, Audience: token.AudienceList{s.address},
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expiration: now.Add(lifetime).Unix(),
	}
	for _, scope := range scopes {
		parts := strings.Split(scope, ":")
		if len(parts) != 3 || parts[0] != "repository" {
			continue
		}
		if actions := client.allowed(parts[1], strings.Split(parts[2], ",")); len(actions) > 0 {
			grant := token.ResourceActions{Type: parts[0], Name: parts[1], Actions: actions}
			claims.Access = append(claims.Access, &grant)
		}
	}
	return jwt.Signed(s.signer).Claims(claims).Serialize()
}
