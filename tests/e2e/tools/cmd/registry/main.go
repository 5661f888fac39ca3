// Registry serves one registry of the end-to-end tests. Beside the open one that
// most tests use there is one of each kind:
//
//	registry htpasswd ADDRESS         wants a user and a password
//	registry token ADDRESS            wants tokens, and gives them at /token
//	registry mirror ADDRESS UPSTREAM  has what another registry has
//	registry relay ADDRESS UPSTREAM   is another registry, or accepts and is silent
//
// All but the relay are distribution, with its storage in memory. What must be a
// file is one of the working folder. Each request is a line on standard output.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

const usage = "usage: registry htpasswd|token|mirror|relay ADDRESS [UPSTREAM]"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 || len(arguments) > 3 {
		return fmt.Errorf(usage)
	}
	kind, address := arguments[0], arguments[1]
	upstream := ""
	if len(arguments) == 3 {
		upstream = "http://" + arguments[2]
	}
	handler, err := handlerOf(kind, address, upstream)
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, logged(handler))
}

func handlerOf(kind, address, upstream string) (http.Handler, error) {
	switch kind {
	case "htpasswd":
		auth, err := passwordAuth()
		if err != nil {
			return nil, err
		}
		return distribution(configuration.Configuration{Auth: auth}), nil
	case "token":
		server, err := newTokenServer(address)
		if err != nil {
			return nil, err
		}
		handler := http.NewServeMux()
		handler.Handle("/token", server)
		handler.Handle("/", distribution(configuration.Configuration{Auth: server.auth()}))
		return handler, nil
	case "mirror":
		return distribution(configuration.Configuration{Proxy: configuration.Proxy{RemoteURL: upstream}}), nil
	case "relay":
		return newRelay(upstream)
	}
	return nil, fmt.Errorf(usage)
}

func distribution(settings configuration.Configuration) http.Handler {
	settings.Storage = configuration.Storage{"inmemory": {}}
	return handlers.NewApp(context.Background(), &settings)
}

func logged(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		fmt.Println(request.Method, request.URL, request.UserAgent())
		handler.ServeHTTP(writer, request)
	})
}
