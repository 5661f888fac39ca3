package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// relay is a registry in front of another one. `POST /silent` makes it accept
// requests and answer none; `POST /answering` has it answer those, too.
type relay struct {
	upstream http.Handler
	lock     sync.Mutex
	// Closed while it answers.
	answering chan struct{}
}

func newRelay(upstream string) (http.Handler, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	relay := &relay{upstream: httputil.NewSingleHostReverseProxy(target), answering: make(chan struct{})}
	close(relay.answering)
	handler := http.NewServeMux()
	handler.HandleFunc("POST /silent", func(http.ResponseWriter, *http.Request) { relay.set(false) })
	handler.HandleFunc("POST /answering", func(http.ResponseWriter, *http.Request) { relay.set(true) })
	handler.Handle("/v2/", relay)
	return handler, nil
}

func (r *relay) set(answers bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	select {
	case <-r.answering:
		if !answers {
			r.answering = make(chan struct{})
		}
	default:
		if answers {
			close(r.answering)
		}
	}
}

func (r *relay) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	r.lock.Lock()
	answering := r.answering
	r.lock.Unlock()
	select {
	case <-answering:
		r.upstream.ServeHTTP(writer, request)
	case <-request.Context().Done():
	}
}
