package investigate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"chaperone"
)

// Names of the files in the folder of a report.
const (
	TextFile     = "report.txt"
	PageFile     = "report.html"
	LinesFile    = "report.jsonl"
	ManifestFile = "manifest.json"
)

// program is what a manifest says made it.
const program = "chaperone"

// manifest says what was read and what was made of it: the chain of custody.
type manifest struct {
	Program  string     `json:"program"`
	Version  string     `json:"version"`
	Read     time.Time  `json:"read"`
	Seconds  float64    `json:"seconds"`
	Complete bool       `json:"complete"` // false when the run was stopped
	Evidence []fileLine `json:"evidence"`
	Report   []fileSum  `json:"report"`
}

type fileSum struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Folder is where a report goes.
type Folder struct {
	dir   string
	lines *part
	sums  []fileSum
}

// OpenFolder makes the folder, or takes one that holds an earlier report; it writes into no other.
func OpenFolder(dir string) (*Folder, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("--out: %s", problemWith(dir, err))
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, ManifestFile)); err != nil {
			return nil, fmt.Errorf("--out: %s: the folder is not empty and holds no earlier report; name a new one", dir)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--out: %s", problemWith(dir, err))
	}
	f := &Folder{dir: dir}
	f.lines, err = f.begin(LinesFile)
	return f, err
}

func problemWith(path string, err error) string { return path + ": " + problem(path, err) }

// Lines is where JSON Lines go.
func (f *Folder) Lines() io.Writer { return f.lines }

// part is a file of the report in the making. It gets its name when it is whole.
type part struct {
	name string
	file *os.File
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
	size int64
}

func (f *Folder) begin(name string) (*part, error) {
	file, err := os.CreateTemp(f.dir, "."+name+".*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("--out: %s", problemWith(f.dir, err))
	}
	return &part{name: name, file: file, sum: sha256.New()}, nil
}

func (p *part) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.sum.Write(b[:n])
	p.size += int64(n)
	return n, err
}

// end gives a part its name.
func (f *Folder) end(p *part, err error) error {
	err = errors.Join(err, p.file.Sync(), p.file.Close())
	path := filepath.Join(f.dir, p.name)
	if err == nil {
		err = os.Rename(p.file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(p.file.Name())
		return fmt.Errorf("--out: %s", problemWith(path, err))
	}
	f.sums = append(f.sums, fileSum{p.name, p.size, hex.EncodeToString(p.sum.Sum(nil))})
	return nil
}

// Drop gives up what was begun.
func (f *Folder) Drop() {
	_ = f.lines.file.Close()
	_ = os.Remove(f.lines.file.Name())
}

// Close writes the report into the folder, the manifest last: a folder with one is whole.
func (f *Folder) Close(r *Report, zone *time.Location, lines error) error {
	if err := f.end(f.lines, lines); err != nil {
		return err
	}
	for _, file := range []struct {
		name  string
		write func(io.Writer, *time.Location) error
	}{{TextFile, r.Write}, {PageFile, r.HTML}} {
		p, err := f.begin(file.name)
		if err != nil {
			return err
		}
		if err := f.end(p, file.write(p, zone)); err != nil {
			return err
		}
	}
	m := manifest{program, chaperone.Version, r.Read.UTC(), r.Took.Seconds(), !r.Stopped, r.Summary().EvidenceFiles, f.sums}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	p, err := f.begin(ManifestFile)
	if err != nil {
		return err
	}
	_, err = io.Copy(p, bytes.NewReader(append(text, '\n')))
	return f.end(p, err)
}
