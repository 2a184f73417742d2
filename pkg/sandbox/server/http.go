package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// A refusal is an answer to a client: a status, and why.
type refusal struct {
	status int
	code   string // OAuth's name for it
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, err: fmt.Errorf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return refuse(http.StatusBadRequest, format, args...)
}

// A dialect is how a service words its refusals.
type dialect func(w http.ResponseWriter, r *refusal)

// handle is a handler in that dialect. An error that is no refusal is a bug or
// a full disk, and status 500.
func (d dialect) handle(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		if err == nil {
			return
		}
		no, ok := errors.AsType[*refusal](err)
		if !ok {
			no = &refusal{status: http.StatusInternalServerError, err: err}
		}
		d(w, no)
	})
}

// gateway is the dialect of grpc-gateway: Fulcio and Rekor v2.
func gateway(w http.ResponseWriter, r *refusal) {
	codes := map[int]int{ // google.rpc.Code
		http.StatusUnauthorized: 16, http.StatusNotFound: 5, http.StatusConflict: 6,
		http.StatusServiceUnavailable: 14, http.StatusInternalServerError: 13,
	}
	code, ok := codes[r.status]
	if !ok {
		code = 3 // invalid argument
	}
	replyJSON(w, r.status, map[string]any{"code": code, "message": r.Error(), "details": []any{}})
}

// swagger is the dialect of go-openapi: Rekor v1 and the TSA.
func swagger(w http.ResponseWriter, r *refusal) {
	replyJSON(w, r.status, map[string]any{"code": r.status, "message": r.Error()})
}

// oauth is the dialect of RFC 6749, section 5.2.
func oauth(w http.ResponseWriter, r *refusal) {
	code := r.code
	if code == "" {
		code = "invalid_request"
	}
	w.Header().Set("Cache-Control", "no-store")
	replyJSON(w, r.status, map[string]any{"error": code, "error_description": r.Error()})
}

// plain is the dialect of CT logs.
func plain(w http.ResponseWriter, r *refusal) { http.Error(w, r.Error(), r.status) }

func replyJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values are ours
	}
	reply(w, status, "application/json", body)
}

// reply sends a body. That a client went away is its own affair.
func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// readBody reads a request's body of at most max bytes and of that media type.
func readBody(w http.ResponseWriter, r *http.Request, mediaType string, max int64) ([]byte, error) {
	if err := checkMediaType(r, mediaType); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refuse(http.StatusRequestEntityTooLarge, "expected a body of at most %d bytes, found more", max)
	}
	if err != nil {
		return nil, badRequest("reading the body: %w", err)
	}
	return body, nil
}

func checkMediaType(r *http.Request, want string) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return refuse(http.StatusUnsupportedMediaType, "expected a body as it is, found content encoding %q", clip(encoding))
	}
	found, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || found != want {
		return refuse(http.StatusUnsupportedMediaType, "expected content type %s, found %q", want, clip(r.Header.Get("Content-Type")))
	}
	return nil
}

// readJSON reads a body of strict JSON into v.
func readJSON(w http.ResponseWriter, r *http.Request, max int64, v any) error {
	body, err := readBody(w, r, "application/json", max)
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(body, v, strictjson.Limits{Bytes: int(max), Depth: 16}); err != nil {
		return badRequest("reading the body: %w", err)
	}
	return nil
}
