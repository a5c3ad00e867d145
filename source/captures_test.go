package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// order tells from which file which packet came when, in seconds after noon.
func order(packets []Packet) string {
	var b strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&b, "%d:%d@%d ", p.Mark.File, p.Mark.Packet, p.Mark.Time.Unix()-noon.Unix())
	}
	return strings.TrimSpace(b.String())
}

func TestMerge(t *testing.T) {
	tests := []struct {
		name  string
		files [][]byte
		want  string
	}{
		{"one after the other, given in the wrong order", [][]byte{simplePcap(3, 4), simplePcap(1, 2)}, "1:1@1 1:2@2 0:1@3 0:2@4"},
		{"interleaved", [][]byte{simplePcap(1, 3, 5), zip(simplePcap(2, 4, 6))}, "0:1@1 1:1@2 0:2@3 1:2@4 0:3@5 1:3@6"},
		{"equal times: the earlier file first", [][]byte{simplePcap(1, 1), simplePcap(1), simplePcap(1)}, "0:1@1 0:2@1 1:1@1 2:1@1"},
		{"out of order inside a file stays so", [][]byte{simplePcap(5, 1), simplePcap(3)}, "1:1@3 0:1@5 0:2@1"},
		{"one without packets", [][]byte{simplePcap(), simplePcap(1)}, "1:1@1"},
		{"a damaged one ends, the others go on", [][]byte{simplePcap(1, 2)[:100], simplePcap(3)}, "0:1@1 1:1@3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			for i, b := range tt.files {
				paths = append(paths, write(t, dir, fmt.Sprint(i), b))
			}
			for _, given := range [][]string{paths, {dir}} {
				c, err := Open(t.Context(), given, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got := order(readAll(t, c)); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if done, total := c.Progress(); done != total || total == 0 {
					t.Errorf("at the end: got %d of %d bytes, want all", done, total)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestRotated reads thousands of files with few descriptors.
func TestRotated(t *testing.T) {
	dir := t.TempDir()
	const files = 2000
	for i := range files {
		write(t, dir, fmt.Sprintf("day%d/%04d.pcap", i/500, i), simplePcap(files-i, files-i))
	}
	c, err := Open(t.Context(), []string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	last := 0
	for n := range 2 * files {
		p, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if want := files - 1 - n/2; int(p.Mark.File) != want {
			t.Fatalf("packet %d: got file %d, want %d", n, p.Mark.File, want)
		}
		open := 0
		for _, f := range c.all {
			if f.src != nil {
				open++
			}
		}
		last = max(last, open)
	}
	if _, err := c.Next(); err != io.EOF {
		t.Errorf("got %v at the end, want EOF", err)
	}
	if last > 2 {
		t.Errorf("got %d files open at once, want at most 2", last)
	}
}

func TestFirstAndLast(t *testing.T) {
	c, err := Open(t.Context(), []string{write(t, t.TempDir(), "file", simplePcap(5, 1, 9, 3))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	readAll(t, c)
	if f := c.Files()[0]; !f.First.Equal(noon.Add(time.Second)) || !f.Last.Equal(noon.Add(9*time.Second)) {
		t.Errorf("got %v to %v, want 1 to 9 seconds after noon", f.First, f.Last)
	}
}

func TestDeletedBeforeItsTurn(t *testing.T) {
	dir := t.TempDir()
	gone := write(t, dir, "gone", simplePcap(2))
	c, err := Open(t.Context(), []string{write(t, dir, "a", simplePcap(1)), gone, write(t, dir, "c", simplePcap(3))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if got, want := order(readAll(t, c)), "0:1@1 2:1@3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !errors.Is(c.Files()[1].Err, os.ErrNotExist) {
		t.Errorf("got %v, want that it does not exist", c.Files()[1].Err)
	}
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Open(ctx, []string{write(t, dir, "a", simplePcap(1, 2)), write(t, dir, "b", simplePcap(9))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for range 2 {
		if _, err := c.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	}
	want := filepath.Join(dir, "a") + ": reading was stopped behind packet 1"
	if f := c.Files(); f[0].Err == nil || f[0].Err.Error() != want || f[0].Packets != 1 || f[1].Err == nil {
		t.Errorf("got %v and %v, want %q", f[0].Err, f[1].Err, want)
	}
}

// TestSilentPipe ends a read that waits for more.
func TestSilentPipe(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write(simplePcap(1))
		cancel()
	}()
	c, err := Open(ctx, []string{"-"}, Options{Stdin: r})
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return
	}
	defer c.Close()
	for err == nil {
		_, err = c.Next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}
