package dicom

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"chaperone/format"
)

// Bounds of a deflated data set: what identifies it stands at its beginning.
const (
	maxDeflated = 256 << 10 // compressed bytes that are looked at
	maxInflated = 4 << 20   // bytes of the data set that are looked at
	maxRatio    = 200       // expansion
)

// inflater gives the beginning of a raw deflate stream (RFC 1951; PS3.5 annex A.5) as it comes in. The standard
// library reads such a stream only by pulling, so it is read again from its start each time it has doubled.
type inflater struct {
	in   []byte
	out  int // bytes given so far
	goal int // size of in at which the next reading is due
	done bool
}

// next takes compressed bytes and returns what can be read of them for the first time; final says that none follow.
func (f *inflater) next(p []byte, final bool) ([]byte, error) {
	if f.done {
		return nil, nil
	}
	f.in = append(f.in, p[:min(len(p), maxDeflated-len(f.in))]...)
	full := final || len(f.in) == maxDeflated
	if len(f.in) < f.goal && !full {
		return nil, nil
	}
	f.goal = 2 * len(f.in)
	limit := min(maxRatio*len(f.in), maxInflated)
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(f.in)), int64(limit)))
	fresh := out[min(f.out, len(out)):]
	f.out = max(f.out, len(out))
	switch {
	case len(out) == limit && limit < maxInflated:
		f.done = true
		return fresh, fmt.Errorf("dicom: deflated data set expands more than %d times: %w", maxRatio, format.ErrLimit)
	case err == nil:
		f.done = true
	case !errors.Is(err, io.ErrUnexpectedEOF) || full && final:
		f.done = true
		return fresh, fmt.Errorf("dicom: deflated data set of %d bytes: %w", len(f.in), format.ErrMalformed)
	default:
		f.done = full
	}
	return fresh, nil
}
