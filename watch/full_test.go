package watch

import (
	"errors"
	"testing"
)

// full is an output that takes nothing, as a full disk.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestJSONFull: an output that takes nothing is told of once.
func TestJSONFull(t *testing.T) {
	j := NewJSON(full{}, nil, false, false)
	last := make([]any, 20_000) // more than is buffered
	if err := j.Close(&Result{}, last...); err == nil || err.Error() != errFull.Error() {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
