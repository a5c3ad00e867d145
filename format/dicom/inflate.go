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

// firstLook is the size of the beginning that is read first.
const firstLook = 512

// inflater gives the beginning of a raw deflate stream (RFC 1951; PS3.5 annex A.5) as it comes in. The standard
// library reads such a stream only by pulling, so it is read again from its start each time it has doubled: at the same
// sizes however it was cut, because the result must not depend on that.
type inflater struct {
	in   []byte
	out  int // bytes given so far
	goal int // size of in at which the next reading is due
	done bool
}

// next takes compressed bytes and returns what can be read of them for the first time; final says that none follow.
func (f *inflater) next(p []byte, final bool) (out []byte, err error) {
	for !f.done && err == nil {
		f.goal = max(f.goal, firstLook)
		n := min(len(p), f.goal-len(f.in))
		f.in, p = append(f.in, p[:n]...), p[n:]
		if len(f.in) < f.goal && !final {
			break
		}
		last := len(f.in) < f.goal || f.goal == maxDeflated
		var fresh []byte
		fresh, err = f.read(last && final)
		out = append(out, fresh...)
		f.done = f.done || last
		f.goal *= 2
	}
	if f.done {
		f.in = nil
	}
	return out, err
}

// read reads the stream from its start. whole says that there is nothing behind it.
func (f *inflater) read(whole bool) ([]byte, error) {
	if len(f.in) == 0 {
		return nil, nil
	}
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
	case !errors.Is(err, io.ErrUnexpectedEOF) || whole:
		f.done = true
		return fresh, fmt.Errorf("dicom: deflated data set: %w", format.ErrMalformed)
	}
	return fresh, nil
}
