package main

import (
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
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return vkey{}, errors.New("a key is NAME+ID+KEY")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != algorithm {
		return vkey{}, fmt.Errorf("the key of %s is not of algorithm %d", parts[0], algorithm)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	if fmt.Sprintf("%x", sum[:4]) != parts[1] {
		return vkey{}, fmt.Errorf("the id of the key of %s is wrong", parts[0])
	}
	return vkey{parts[0], [4]byte(sum[:4]), raw[1:]}, nil
}

// signature finds a key's signature among the lines "— NAME base64(ID ‖ signature)".
func (v *vkey) signature(lines []string) ([]byte, bool) {
	for _, line := range lines {
		name, text, _ := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err == nil && name == v.name && len(raw) > 4 && [4]byte(raw) == v.id {
			return raw[4:], true
		}
	}
	return nil, false
}

// checkpoint checks a signed note of three lines: origin, size, root (C2SP tlog-checkpoint), and its cosignatures.
func checkpoint(signed string, k keys) (size uint64, root [32]byte, seen []string, err error) {
	at := strings.LastIndex(signed, "\n\n")
	if at < 0 {
		return 0, root, nil, errors.New("the checkpoint is not a signed note")
	}
	text, lines := signed[:at+1], strings.Split(strings.TrimSuffix(signed[at+2:], "\n"), "\n")
	sig, ok := k.log.signature(lines)
	if !ok || !ed25519.Verify(k.log.key, []byte(text), sig) {
		return 0, root, nil, errors.New("the checkpoint is not signed by this ledger")
	}
	for _, w := range k.witnesses {
		// C2SP tlog-cosignature: 8 bytes of seconds, then a signature of them and the text.
		sig, ok := w.signature(lines)
		if !ok || len(sig) != 8+ed25519.SignatureSize {
			continue
		}
		seconds := binary.BigEndian.Uint64(sig)
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)
		if seconds>>63 != 0 || !ed25519.Verify(w.key, []byte(message), sig[8:]) {
			return 0, root, nil, fmt.Errorf("the cosignature of %s is wrong", w.name)
		}
		seen = append(seen, fmt.Sprintf("%s saw these batches at %s", w.name, time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)))
	}
	if len(seen) < k.need {
		return 0, root, nil, fmt.Errorf("%d witnesses cosigned, %d are needed", len(seen), k.need)
	}
	fields := strings.Split(text, "\n")
	if len(fields) < 4 || fields[0] != k.log.name {
		return 0, root, nil, errors.New("the checkpoint is of another ledger")
	}
	size, err = strconv.ParseUint(fields[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != fields[1] {
		return 0, root, nil, errors.New("the checkpoint's size is not a number")
	}
	root, err = hash(fields[2])
	return size, root, seen, err
}

func hash(text string) (h [32]byte, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 32 {
		return h, errors.New("a hash is not 32 bytes in base64")
	}
	return [32]byte(raw), nil
}

// included checks that the headers are the leaves first, first+1, … of the signed tree (RFC 6962 2.1).
func included(d *document, size uint64, root [32]byte) error {
	var leaves, path [][32]byte
	for _, b := range d.Batches {
		raw, err := decode(b.Header)
		if err != nil {
			return err
		}
		leaves = append(leaves, sha256.Sum256(append([]byte{0}, raw...)))
	}
	for _, text := range d.Path {
		h, err := hash(text)
		if err != nil {
			return err
		}
		path = append(path, h)
	}
	first, end := d.First, d.First+uint64(len(leaves))
	if end < first || end > size {
		return errors.New("the batches are beyond the checkpoint")
	}
	// A subtree without any of the leaves is the next hash of the path; others are made of their two halves.
	var subtree func(from, until uint64) [32]byte
	short := false
	subtree = func(from, until uint64) [32]byte {
		switch {
		case until <= first || from >= end:
			if len(path) == 0 {
				short = true
				return [32]byte{}
			}
			h := path[0]
			path = path[1:]
			return h
		case until-from == 1:
			return leaves[from-first]
		}
		middle := from + 1<<(bits.Len64(until-from-1)-1)
		left := subtree(from, middle)
		right := subtree(middle, until)
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
	if subtree(0, size) != root || short || len(path) > 0 {
		return errors.New("the batches are not in the signed tree")
	}
	return nil
}
