package server

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
)

// Tiles of C2SP tlog-tiles: 256 hashes or bodies each.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

func (s *Server) checkpoint(w http.ResponseWriter, _ *http.Request) error {
	log := s.rekor2.log
	reply(w, http.StatusOK, "text/plain; charset=utf-8", []byte(log.Checkpoint(log.Size())))
	return nil
}

// tile serves <level>/<index>[.p/<width>], where level is a number or
// "entries".
func (s *Server) tile(w http.ResponseWriter, r *http.Request) error {
	level, rest, _ := strings.Cut(r.PathValue("path"), "/")
	index, width, ok := parseTileIndex(rest)
	if !ok {
		return badRequest("expected a tile: level, index and width by C2SP tlog-tiles")
	}
	var data []byte
	if level == "entries" {
		data, ok = s.rekor2.bundle(index, width)
	} else {
		n, err := strconv.ParseUint(level, 10, 3)
		if err != nil {
			return badRequest("expected a tile level from 0 to 7, found %q", clip(level))
		}
		data, ok = s.rekor2.tile(uint(n), index, width)
	}
	if !ok {
		return refuse(http.StatusNotFound, "the tree has no such tile yet")
	}
	reply(w, http.StatusOK, "application/octet-stream", data)
	return nil
}

// parseTileIndex parses x001/x234/067.p/8: groups of three digits, all but the
// last marked by an x, and the width of a partial tile.
func parseTileIndex(text string) (index uint64, width int, ok bool) {
	number, partial, isPartial := strings.Cut(text, ".p/")
	width = tileWidth
	if isPartial {
		n, err := strconv.ParseUint(partial, 10, tileHeight)
		if err != nil || n == 0 {
			return 0, 0, false
		}
		width = int(n)
	}
	groups := strings.Split(number, "/")
	if len(groups) > 3 { // more than any log here holds
		return 0, 0, false
	}
	for i, group := range groups {
		if i < len(groups)-1 {
			if group, ok = strings.CutPrefix(group, "x"); !ok {
				return 0, 0, false
			}
		}
		n, err := strconv.ParseUint(group, 10, 32)
		if err != nil || len(group) != 3 {
			return 0, 0, false
		}
		index = index*1000 + n
	}
	return index, width, true
}

// bundle returns bodies, each after its length in two bytes.
func (l *ledger) bundle(index uint64, width int) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := index * tileWidth
	if first+uint64(width) > uint64(len(l.bodies)) {
		return nil, false
	}
	var data []byte
	for _, body := range l.bodies[first : first+uint64(width)] {
		data = binary.BigEndian.AppendUint16(data, uint16(len(body)))
		data = append(data, body...)
	}
	return data, true
}

// tile returns the hashes of whole subtrees, each of 256^level leaves.
func (l *ledger) tile(level uint, index uint64, width int) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level > 2 { // 256^3 leaves are more than the log takes
		return nil, false
	}
	leaves := uint64(1) << (level * tileHeight)
	first := index * tileWidth * leaves
	if first+uint64(width)*leaves > uint64(len(l.leaves)) {
		return nil, false
	}
	var data []byte
	for i := range uint64(width) {
		from := first + i*leaves
		hash := subtree(l.leaves[from : from+leaves])
		data = append(data, hash[:]...)
	}
	return data, true
}

// subtree returns the hash of a complete tree: len(leaves) is a power of two.
func subtree(leaves [][sha256.Size]byte) [sha256.Size]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	left, right := subtree(leaves[:len(leaves)/2]), subtree(leaves[len(leaves)/2:])
	node := append([]byte{1}, left[:]...)
	return sha256.Sum256(append(node, right[:]...))
}
