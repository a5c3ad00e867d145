//go:build unix

package source

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNamedPipe(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	written := make(chan error)
	go func() { written <- os.WriteFile(pipe, simplePcap(1, 3), 0) }()
	c, err := Open(t.Context(), []string{pipe, write(t, dir, "file", simplePcap(2))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := order(readAll(t, c)), "0:1@1 1:1@2 0:2@3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	// In a folder a pipe is not opened: nobody may ever write to it.
	c, err = Open(t.Context(), []string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s := c.Skipped(); len(s) != 1 || s[0] != pipe {
		t.Errorf("got skipped %v, want the pipe", s)
	}
}
