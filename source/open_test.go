package source

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSameFileOnce(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a", simplePcap(1))
	hard, soft := filepath.Join(dir, "hard"), filepath.Join(dir, "soft")
	paths := []string{a, a, filepath.Join(dir, "..", filepath.Base(dir), "a"), dir, "-", "-"}
	if err := os.Link(a, hard); err == nil {
		paths = append(paths, hard)
	}
	if err := os.Symlink(a, soft); err == nil {
		paths = append(paths, soft)
	}
	c, err := Open(t.Context(), paths, Options{Stdin: bytes.NewReader(simplePcap(2))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := order(readAll(t, c)), "0:1@1 1:1@2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, total := c.Progress(); total != 0 {
		t.Errorf("got a total of %d with standard input, want 0", total)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.pcap", simplePcap(1))
	write(t, dir, "deep/er/b.bin", zip(simplePcap(2)))
	cut := write(t, dir, "cut.pcap", simplePcap(1)[:10])
	skipped := []string{write(t, dir, "empty.pcap", nil), write(t, dir, "notes.txt", []byte("look at this")), write(t, dir, "z.gz", zip([]byte("text")))}
	link := filepath.Join(t.TempDir(), "link")
	for from, to := range map[string]string{link: dir, filepath.Join(dir, "loop"): "."} {
		if err := os.Symlink(to, from); err != nil {
			t.Skip("this system makes no links")
		}
	}
	skipped = slices.Insert(skipped, 1, filepath.Join(dir, "loop"))
	for i := range skipped {
		skipped[i] = strings.Replace(skipped[i], dir, link, 1)
	}
	c, err := Open(t.Context(), []string{link}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := order(readAll(t, c)), "0:1@1 2:1@2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := c.Skipped(); !slices.Equal(got, skipped) {
		t.Errorf("got skipped %v, want %v", got, skipped)
	}
	f := c.Files()
	if len(f) != 3 || filepath.Base(f[1].Name) != filepath.Base(cut) || f[1].Err == nil || f[0].Err != nil || f[2].Err != nil {
		t.Errorf("got files %+v, want three, the second of them damaged", f)
	}
	if !f[2].First.Equal(noon.Add(2*time.Second)) || !f[2].Last.Equal(f[2].First) {
		t.Errorf("got times %v to %v, want two seconds after noon", f[2].First, f[2].Last)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	const kinds = "; give files written by tcpdump, dumpcap or Wireshark (pcap or pcapng, also gzipped)"
	tests := []struct {
		name string
		path string
		want string // behind the path
	}{
		{"no such file", filepath.Join(dir, "none"), ": no such file or directory; check the path"},
		{"empty", write(t, dir, "e/empty", nil), ": the file is empty; check that the recorder was allowed to capture, and when it was stopped"},
		{"text", write(t, dir, "t/text", []byte("MSH|^~\\&|secret")), ": not a capture but text" + kinds},
		{"two letters", write(t, dir, "u/text", []byte("ab")), ": not a capture but text" + kinds},
		{"zip archive", write(t, dir, "z/zip", []byte("PK\x03\x04abcdefghi")), ": not a capture but a zip archive: unpack it first" + kinds},
		{"gzipped twice", write(t, dir, "g/gz", zip(zip(simplePcap(1)))), ": not a capture but gzip inside gzip: unpack it first" + kinds},
		{"gzipped nothing", write(t, dir, "n/gz", zip(nil)), ": the file is empty; check that the recorder was allowed to capture, and when it was stopped"},
		{"gzip that is cut off", write(t, dir, "c/gz", []byte("\x1F\x8B")), ": at uncompressed byte 0: the compressed data ends too early; the file was not copied or written to its end"},
		{"snoop", write(t, dir, "s/snoop", []byte("snoop\x00\x00\x00abcdef")), ": not a capture but a Solaris snoop capture: convert it with editcap" + kinds},
		{"something binary", write(t, dir, "b/bin", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), ": not a capture" + kinds},
		{"something that begins like pcapng", write(t, dir, "p/ng", []byte("\n\r\r\nabcdefghi")), ": not a capture" + kinds},
		{"pcap without its header", write(t, dir, "h/cut", simplePcap(1)[:23]), ": at byte 0: the file ends in the middle of a header"},
		{"old pcap", write(t, dir, "v/old", cat(u32(little, 0xA1B2C3D4), u16(little, 2, 2), make([]byte, 16))), ": at byte 0: pcap version 2.2, where only 2.4 can be read; convert it with editcap"},
		{"folder without captures", filepath.Join(dir, "t"), ": no captures among the 1 files in this folder" + kinds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Open(t.Context(), []string{tt.path}, Options{})
			if err == nil {
				c.Close()
				t.Fatal("got no error")
			}
			if got, want := err.Error(), tt.path+tt.want; got != want && !errors.Is(err, os.ErrNotExist) { // its text differs between systems
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if _, err := Open(t.Context(), nil, Options{}); err == nil {
		t.Error("no paths: got no error")
	}
}

func TestNoPermission(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, dir, "secret.pcap", simplePcap(1))
	write(t, dir, "open.pcap", simplePcap(2))
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(secret); err == nil {
		f.Close()
		t.Skip("this user may read everything")
	}
	if _, err := Open(t.Context(), []string{secret}, Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("named: got %v, want a permission error", err)
	}
	c, err := Open(t.Context(), []string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := len(readAll(t, c)); n != 1 {
		t.Errorf("in a folder: got %d packets, want those of the other file", n)
	}
	if f := c.Files()[1]; !errors.Is(f.Err, os.ErrPermission) {
		t.Errorf("in a folder: got %v, want a permission error in Files", f.Err)
	}
}
