package sandbox

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
)

// A tree is a Merkle tree of RFC 6962 over SHA-256. It keeps its leaf hashes
// and computes the rest anew, which is enough for some thousand leaves.
type tree struct {
	leaves [][]byte // leaf hashes
}

func hashLeaf(body []byte) []byte {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return sum[:]
}

func hashNode(left, right []byte) []byte {
	b := make([]byte, 0, 1+2*sha256.Size)
	b = append(append(append(b, 1), left...), right...)
	sum := sha256.Sum256(b)
	return sum[:]
}

// root returns MTH of the first size leaves (RFC 6962, section 2.1).
func (t *tree) root(size int64) []byte {
	t.check(0, size)
	return rootOf(t.leaves[:size])
}

func rootOf(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return hashNode(rootOf(leaves[:k]), rootOf(leaves[k:]))
}

// proof returns PATH of leaf index in the tree of the first size leaves
// (RFC 6962, section 2.1.1).
func (t *tree) proof(index, size int64) [][]byte {
	t.check(index, size)
	return pathOf(int(index), t.leaves[:size])
}

func pathOf(index int, leaves [][]byte) [][]byte {
	if len(leaves) <= 1 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(pathOf(index, leaves[:k]), rootOf(leaves[k:]))
	}
	return append(pathOf(index-k, leaves[k:]), rootOf(leaves[:k]))
}

// split returns the largest power of two below n, which is at least 2.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// check panics for a tree that does not exist, which is a bug of the caller.
func (t *tree) check(index, size int64) {
	if size < 0 || size > int64(len(t.leaves)) || index < 0 || index > size {
		panic(fmt.Sprintf("sandbox: leaf %d of tree size %d: the tree has %d leaves", index, size, len(t.leaves)))
	}
}
