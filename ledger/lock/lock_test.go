package lock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestTake: who may have a folder beside whom, and that the last one who lets go leaves it free.
func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if f, err := Take(path, true); f != nil || err != nil {
		t.Errorf("a file that is not there, shared: got %v, %v, want nothing", f, err)
	}
	for _, test := range []struct {
		name          string
		first, second bool // shared
		want          error
	}{
		{"two that read", true, true, nil}, {"a writer beside a reader", true, false, ErrHeld}, {"a reader beside a writer", false, true, ErrHeld}, {"two writers", false, false, ErrHeld},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			first, err := Take(path, test.first)
			if err != nil {
				t.Fatal(err)
			}
			second, err := Take(path, test.second)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if second != nil {
				_ = second.Close()
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			alone, err := Take(path, false)
			if err != nil {
				t.Fatalf("it was not let go: %v", err)
			}
			_ = alone.Close()
		})
	}
}

// TestRemoved: a lock on a file that is not there any more keeps nobody out, and is not given.
func TestRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	f, err := Take(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := still(f, path); err != nil {
		t.Errorf("it is there: got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Skip("a file that is open cannot be removed here")
	}
	if err := still(f, path); !errors.Is(err, ErrHeld) {
		t.Errorf("removed: got %v, want ErrHeld", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := still(f, path); !errors.Is(err, ErrHeld) {
		t.Errorf("another one in its place: got %v, want ErrHeld", err)
	}
}
