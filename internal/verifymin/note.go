package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// vkey is a verifier key (C2SP signed-note): NAME+ID+base64(algorithm ‖ Ed25519 public key).
type vkey struct {
	name string
	id   [4]byte
	key  ed25519.PublicKey
}

func parseKey(text string, algorithm byte) (vkey, error) {
	parts := append(strings.SplitN(text, "+", 3), "", "")
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != algorithm {
		return vkey{}, fmt.Errorf("not a key NAME+ID+KEY of algorithm %d", algorithm)
	}
	id := sum([]byte(parts[0]+"\n"), raw)
	if fmt.Sprintf("%x", id[:4]) != parts[1] {
		return vkey{}, errors.New("the id of a key does not fit its name and key")
	}
	return vkey{parts[0], [4]byte(id), raw[1:]}, nil
}

// signature finds a key's signature among the lines "— NAME base64(ID ‖ signature)".
func (v *vkey) signature(lines []string) []byte {
	for _, line := range lines {
		name, text, _ := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err == nil && name == v.name && len(raw) > 4 && [4]byte(raw) == v.id {
			return raw[4:]
		}
	}
	return nil
}

// checkpoint checks a signed note of three lines, origin, size, root (C2SP tlog-checkpoint), and its cosignatures.
func checkpoint(signed string, k keys) (size uint64, root []byte, seen string) {
	at := strings.LastIndex(signed, "\n\n")
	insist(at >= 0 && strings.HasSuffix(signed, "\n") && strings.Count(signed[at+2:], "\n") == strings.Count(signed[at+1:], "\n— "), "the checkpoint is not a signed note")
	text, lines := signed[:at+1], strings.Split(signed[at+2:], "\n")
	insist(ed25519.Verify(k.log.key, []byte(text), k.log.signature(lines)), "the checkpoint is not signed by this ledger")
	for _, w := range k.witnesses {
		// C2SP tlog-cosignature: 8 bytes of seconds, then a signature of them and the text.
		sig := w.signature(lines)
		insist(len(sig) == 8+ed25519.SignatureSize, "%s did not cosign", w.name)
		seconds := binary.BigEndian.Uint64(sig)
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)
		insist(seconds>>63 == 0 && ed25519.Verify(w.key, []byte(message), sig[8:]), "the cosignature of %s is wrong", w.name)
		seen += fmt.Sprintf("The witness %s saw them at %s.\n", w.name, time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339))
	}
	fields := append(strings.Split(text, "\n"), "", "")
	size, err1 := strconv.ParseUint(fields[1], 10, 63)
	root, err2 := base64.StdEncoding.DecodeString(fields[2])
	insist(fields[0] == k.log.name && err1 == nil && err2 == nil && len(root) == sha256.Size, "the checkpoint is not of this ledger, or malformed")
	return size, root, seen
}

// root gives the root of the tree of size leaves (RFC 6962 2.1) that has these from first on. There always is one: a path that does
// not fit ends the check, since whoever signs could sign for what comes out of it.
func root(first uint64, leaves [][]byte, size uint64, path [][]byte) []byte {
	end := first + uint64(len(leaves))
	insist(first < end && end <= size, "what is shown is beyond the signed tree")
	// A subtree without any of the leaves is the next hash of the path; others are made of their two halves.
	var subtree func(from, until uint64) []byte
	subtree = func(from, until uint64) []byte {
		switch {
		case until <= first || end <= from:
			insist(len(path) > 0 && len(path[0]) == sha256.Size, "the path to the signed root is too short")
			h := path[0]
			path = path[1:]
			return h
		case until-from == 1:
			return sum([]byte{0}, leaves[from-first])
		}
		middle := from + 1<<(bits.Len64(until-from-1)-1)
		left := subtree(from, middle)
		return sum([]byte{1}, left, subtree(middle, until))
	}
	h := subtree(0, size)
	insist(len(path) == 0, "the path to the signed root is too long")
	return h
}

func sum(parts ...[]byte) []byte {
	h := sha256.Sum256(bytes.Join(parts, nil))
	return h[:]
}
