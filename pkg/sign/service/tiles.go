package service

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/fetch"
)

const (
	tileHeight    = 8               // of C2SP tlog-tiles
	tileWidth     = 1 << tileHeight // hashes, or entries
	maxCheckpoint = 64 << 10        // bytes
	maxEntryTile  = tileWidth * (2 + 1<<16)
)

// Reread returns the entry as the log's tiles have it, proved in the tree of
// its newest checkpoint.
func (r *RekorV2) Reread(ctx context.Context, e *bundle.LogEntry) (*bundle.LogEntry, error) {
	text, tree, err := r.checkpointAfter(ctx, e.LogIndex)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	body, err := r.body(ctx, e.LogIndex, tree.N)
	if err != nil {
		return nil, err
	}
	reader := tlog.TileHashReader(tree, &tileReader{ctx: ctx, log: r})
	proof, err := tlog.ProveRecord(tree.N, e.LogIndex, reader)
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	again := *e
	again.Body = body
	again.Proof = &bundle.InclusionProof{LogIndex: e.LogIndex, TreeSize: tree.N, RootHash: tree.Hash[:], Checkpoint: text, Hashes: [][]byte{}}
	for _, h := range proof {
		again.Proof.Hashes = append(again.Proof.Hashes, slices.Clone(h[:]))
	}
	return &again, nil
}

// checkpointAfter returns a checkpoint of a tree with that entry. What the log
// publishes may lag behind what it answers: it is asked a few times.
func (r *RekorV2) checkpointAfter(ctx context.Context, index int64) (string, tlog.Tree, error) {
	if index < 0 {
		return "", tlog.Tree{}, fmt.Errorf("expected an index of 0 or more, found %d", index)
	}
	for attempt := 1; ; attempt++ {
		text, tree, err := r.checkpoint(ctx)
		if err != nil || index < tree.N {
			return text, tree, err
		}
		if !r.client.Again(ctx, attempt) {
			return "", tlog.Tree{}, fmt.Errorf("expected a tree of more than %d entries, found %d: the log does not show the entry that it gave", index, tree.N)
		}
	}
}

// checkpoint returns the log's newest checkpoint and what it says, unverified.
func (r *RekorV2) checkpoint(ctx context.Context) (string, tlog.Tree, error) {
	resp, err := r.client.Do(ctx, &fetch.Request{URL: r.base + "/api/v2/checkpoint", MaxBody: maxCheckpoint, Header: http.Header{"Cache-Control": {"no-cache"}}})
	if err != nil {
		return "", tlog.Tree{}, err
	}
	text := string(resp.Body)
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return "", tlog.Tree{}, errors.New("expected a checkpoint of three lines or more")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, rootErr := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || rootErr != nil || size <= 0 || len(root) != tlog.HashSize {
		return "", tlog.Tree{}, fmt.Errorf("expected a tree size and a root hash, found %q and %q", clip(lines[1]), clip(lines[2]))
	}
	return text, tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

func clip(s string) string { return s[:min(len(s), 80)] }

// body reads one entry from its tile.
func (r *RekorV2) body(ctx context.Context, index, size int64) ([]byte, error) {
	n := index / tileWidth
	width := int(min(tileWidth, size-n*tileWidth))
	path := tilePath(tlog.Tile{H: tileHeight, L: -1, N: n, W: width})
	data, err := r.tile(ctx, path, maxEntryTile)
	if err != nil {
		return nil, err
	}
	in := cryptobyte.String(data)
	for i := n * tileWidth; ; i++ {
		var body cryptobyte.String
		if !in.ReadUint16LengthPrefixed(&body) {
			return nil, fmt.Errorf("tile %s: expected %d entries, found fewer", path, width)
		}
		if i == index {
			return body, nil
		}
	}
}

// tile fetches a tile; a log may have dropped a partial tile for the full one.
func (r *RekorV2) tile(ctx context.Context, path string, most int64) ([]byte, error) {
	resp, err := r.client.Do(ctx, &fetch.Request{URL: r.base + "/api/v2/" + path, MaxBody: most})
	full, _, isPartial := strings.Cut(path, ".p/")
	if status, ok := errors.AsType[*fetch.StatusError](err); ok && isPartial && status.Status == http.StatusNotFound {
		resp, err = r.client.Do(ctx, &fetch.Request{URL: r.base + "/api/v2/" + full, MaxBody: most})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return resp.Body, nil
}

// tilePath is a tile's path by C2SP tlog-tiles, which leaves out the height and
// calls entries so, where sumdb has tile/8/data.
func tilePath(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// tileReader reads tiles of hashes, which tlog.TileHashReader authenticates.
type tileReader struct {
	ctx context.Context
	log *RekorV2
}

func (t *tileReader) Height() int                     { return tileHeight }
func (t *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path, want := tilePath(tile), tile.W*tlog.HashSize
		data, err := t.log.tile(t.ctx, path, tileWidth*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		if len(data) < want {
			return nil, fmt.Errorf("%s: expected %d bytes, found %d", path, want, len(data))
		}
		out = append(out, data[:want])
	}
	return out, nil
}
