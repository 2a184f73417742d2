package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// maxEntry is the largest entry that the logs take: an envelope, mostly.
const maxEntry = 8 << 20

const rekor1Entries = "/api/v1/log/entries"

// rekor1Handler is Rekor v1.
//
// Source: rekor openapi.yaml, pkg/api.
func (s *Server) rekor1Handler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(swagger)
	mux.Handle("POST "+rekor1Entries, d.handle(s.rekor1Create))
	mux.Handle("GET "+rekor1Entries, d.handle(s.rekor1ByIndex))
	mux.Handle("GET "+rekor1Entries+"/{uuid}", d.handle(s.rekor1ByUUID))
	mux.Handle("GET /api/v1/log", d.handle(s.rekor1Info))
	mux.Handle("GET /api/v1/log/publicKey", d.handle(s.rekor1PublicKey))
	return mux
}

func (s *Server) rekor1Create(w http.ResponseWriter, r *http.Request) error {
	kind, signed, err := readProposed(w, r)
	if err != nil {
		return err
	}
	entry, err := s.rekor1.record(kind, signed)
	if dup, ok := errors.AsType[*duplicate](err); ok {
		known, _ := s.rekor1.entry(dup.index)
		id := s.entryID(known)
		w.Header().Set("Location", rekor1Entries+"/"+id)
		return refuse(http.StatusConflict, "an equivalent entry already exists in the transparency log with UUID %s", id)
	}
	if err != nil {
		return err
	}
	id := s.entryID(entry)
	w.Header().Set("Location", rekor1Entries+"/"+id)
	w.Header().Set("ETag", id)
	replyJSON(w, http.StatusCreated, s.logEntry(entry))
	return nil
}

func (s *Server) rekor1ByIndex(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("logIndex")
	index, err := strconv.ParseInt(text, 10, 64)
	if err != nil || index < 0 {
		return badRequest("logIndex: expected a number, found %q", clip(text))
	}
	entry, ok := s.rekor1.entry(index - s.rekor1.log.Offset)
	if !ok {
		return refuse(http.StatusNotFound, "the log has no entry %d", index)
	}
	replyJSON(w, http.StatusOK, s.logEntry(entry))
	return nil
}

// rekor1ByUUID takes an entry id, or the leaf hash at its end alone.
func (s *Server) rekor1ByUUID(w http.ResponseWriter, r *http.Request) error {
	id, err := hex.DecodeString(r.PathValue("uuid"))
	if err != nil || len(id) != sha256.Size && len(id) != 8+sha256.Size {
		return badRequest("expected an entry id in hexadecimal, of 80 or 64 digits")
	}
	index, ok := s.rekor1.find([sha256.Size]byte(id[len(id)-sha256.Size:]))
	if !ok {
		return refuse(http.StatusNotFound, "the log has no such entry")
	}
	entry, _ := s.rekor1.entry(index)
	if len(id) > sha256.Size && s.entryID(entry) != hex.EncodeToString(id) {
		return refuse(http.StatusNotFound, "the entry is in another tree")
	}
	replyJSON(w, http.StatusOK, s.logEntry(entry))
	return nil
}

func (s *Server) rekor1Info(w http.ResponseWriter, _ *http.Request) error {
	log := s.rekor1.log
	size := log.Size()
	replyJSON(w, http.StatusOK, map[string]any{
		"inactiveShards": []any{},
		"rootHash":       hex.EncodeToString(log.Root(size)),
		"signedTreeHead": log.Checkpoint(size),
		"treeID":         strconv.FormatInt(log.TreeID, 10),
		"treeSize":       size,
	})
	return nil
}

func (s *Server) rekor1PublicKey(w http.ResponseWriter, _ *http.Request) error {
	reply(w, http.StatusOK, "application/x-pem-file", s.rekor1.log.Key.PEM())
	return nil
}

// entryID is the tree's id and the leaf hash.
func (s *Server) entryID(e *rekorv1.TransparencyLogEntry) string {
	leaf := leafHash(e.CanonicalizedBody)
	return fmt.Sprintf("%016x%x", s.rekor1.log.TreeID, leaf)
}

// logEntry is the model LogEntry: one entry under its id.
func (s *Server) logEntry(e *rekorv1.TransparencyLogEntry) map[string]any {
	hashes := []string{}
	for _, h := range e.InclusionProof.Hashes {
		hashes = append(hashes, hex.EncodeToString(h))
	}
	return map[string]any{s.entryID(e): map[string]any{
		"body":           e.CanonicalizedBody,
		"integratedTime": e.IntegratedTime,
		"logID":          hex.EncodeToString(e.LogId.KeyId),
		"logIndex":       e.LogIndex,
		"verification": map[string]any{
			"inclusionProof": map[string]any{
				"checkpoint": e.InclusionProof.Checkpoint.Envelope,
				"hashes":     hashes,
				"logIndex":   e.InclusionProof.LogIndex,
				"rootHash":   hex.EncodeToString(e.InclusionProof.RootHash),
				"treeSize":   e.InclusionProof.TreeSize,
			},
			"signedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp,
		},
	}}
}
