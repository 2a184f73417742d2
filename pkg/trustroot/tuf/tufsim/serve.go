package tufsim

import (
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// ServeHTTP serves the repository below /metadata/.
func (r *Repo) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name := req.URL.EscapedPath()
	r.Lock()
	r.requests = append(r.requests, name)
	answer := r.Answer
	r.Unlock()
	if answer != nil && answer(w, req) {
		return
	}
	r.Lock()
	defer r.Unlock()
	body, ok := r.file(strings.TrimPrefix(name, "/metadata/"))
	if ok && r.Edit != nil {
		body = r.Edit(name, body)
	}
	if body == nil {
		http.NotFound(w, req)
		return
	}
	r.served[name] = body
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(body) // a client that hangs up is the client's business
}

// file returns a file of the repository as of now, by its escaped path below
// the metadata's base.
func (r *Repo) file(name string) ([]byte, bool) {
	if target, ok := strings.CutPrefix(name, "targets/"); ok {
		return r.target(target)
	}
	if version, ok := strings.CutSuffix(name, ".root.json"); ok {
		n, err := strconv.Atoi(version)
		if err != nil || n < 1 || n > len(r.roots) {
			return nil, false
		}
		return r.roots[n-1], true
	}
	role, ok := strings.CutSuffix(name, ".json")
	if !ok {
		return nil, false
	}
	if role == "timestamp" {
		return sign(r.Timestamp, r.Signers["timestamp"]), true
	}
	if r.Root.Signed.ConsistentSnapshot {
		_, role, _ = strings.Cut(role, ".")
	}
	if role == "snapshot" {
		return sign(r.Snapshot, r.Signers["snapshot"]), true
	}
	role, err := url.PathUnescape(role)
	if err != nil || r.Targets[role] == nil {
		return nil, false
	}
	return r.signTargets(role), true
}

func (r *Repo) target(name string) ([]byte, bool) {
	name, err := url.PathUnescape(name)
	if err != nil {
		return nil, false
	}
	if !r.Root.Signed.ConsistentSnapshot {
		body, ok := r.Content[name]
		return body, ok
	}
	dir, base := path.Split(name)
	_, base, _ = strings.Cut(base, ".")
	body, ok := r.Content[dir+base]
	return body, ok
}
