package witness

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// maxProof is how many hashes a consistency proof has at most.
const maxProof = 63

// request is the body of add-checkpoint: "old N", a hash a line, an empty line, a checkpoint.
type request struct {
	old        uint64
	proof      []tlog.Hash
	checkpoint []byte
	origin     string
}

func parseRequest(body []byte) (request, error) {
	var r request
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return r, errors.New("no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseUint(size, 10, 63)
	if !ok || err != nil || size != strconv.FormatUint(old, 10) {
		return r, errors.New("the first line is not: old N")
	}
	if len(lines)-1 > maxProof {
		return r, errors.New("too many hashes")
	}
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line { // the decoder takes other spellings as well
			return r, errors.New("a line of the proof is not a hash")
		}
		r.proof = append(r.proof, h)
	}
	origin, _, ok := bytes.Cut(checkpoint, []byte("\n"))
	if !ok {
		return r, errors.New("no checkpoint after the empty line")
	}
	r.old, r.checkpoint, r.origin = old, checkpoint, string(origin)
	return r, nil
}
