package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReserve: the space that is kept is as large as it was last asked to be, also after it was made smaller or given up.
func TestReserve(t *testing.T) {
	o := folders(t)
	for i, step := range []struct{ asked, want int64 }{
		{0, 0}, {3 << 20, 3 << 20}, {0, 3 << 20}, {5<<20 - 1, 5 << 20}, {1 << 20, 1 << 20}, {-1, 0}, {0, 0}, {2 << 20, 2 << 20},
	} {
		o.Reserve = step.asked
		l := open(t, o)
		s, err := l.Status()
		if err != nil || s.Reserve != step.want {
			t.Errorf("step %d, asked for %d: got %d, %v, want %d", i, step.asked, s.Reserve, err, step.want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(o.Dir, reserveFile))
		switch {
		case step.want == 0 && !errors.Is(err, os.ErrNotExist):
			t.Errorf("step %d: got %v, want no file", i, err)
		case step.want > 0 && (err != nil || info.Size() != step.want):
			t.Errorf("step %d: got %v, %v, want a file of %d bytes", i, info, err, step.want)
		}
	}
	o.Reserve, o.ReadOnly = 0, true
	l := open(t, o)
	if s, err := l.Status(); err != nil || s.Reserve != 2<<20 {
		t.Errorf("for asking: got %d, %v", s.Reserve, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
