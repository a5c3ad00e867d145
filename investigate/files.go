package investigate

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"chaperone/format/dump"
	"chaperone/format/evtx"
	"chaperone/format/post"
	"chaperone/source"
	"chaperone/watch"
)

// Kind is what a file of the evidence is.
type Kind string

// Kinds.
const (
	Capture  Kind = "capture"
	EventLog Kind = "event log"
	Table    Kind = "table of people"
	Offer    Kind = "offer"
	NameList Kind = "names of systems"
	Other    Kind = "unknown"
)

// File is one file of the evidence.
type File struct {
	Path    string
	Kind    Kind
	Size    int64
	SHA256  string // hexadecimal; "" when it could not be read to its end
	Items   int64  // packets, records or rows that were read
	Problem string // why it was not read, or not whole; one line without the path
}

// look is how much of a file is read to find out what it is.
const look = 64 << 10

// maxText bounds what is read as an offer or a list of names.
const maxText = 1 << 20

// survey lists all files of the evidence and finds out what they are, by their content.
func survey(paths []string, leave string) ([]File, error) {
	var files []File
	seen := names{map[string]bool{}, map[int64][]sameSize{}}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, explain(path, err)
		}
		if !info.IsDir() {
			files = add(files, seen, path, nil)
			continue
		}
		if _, err := os.ReadDir(path); err != nil {
			return nil, explain(path, err)
		}
		_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				if leave != "" && same(name, leave) {
					return filepath.SkipDir
				}
				if isReport(name) {
					files = append(files, File{Path: name, Kind: Other, Problem: "an earlier report of this program: not read"})
					return filepath.SkipDir
				}
				return nil
			}
			files = add(files, seen, name, err)
			return nil
		})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there is no file in it; put captures, Windows event logs, and what is offered for sale into one folder", paths[0])
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// isReport reports whether a folder holds a report of this program: what it says is no evidence.
func isReport(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	var m manifest
	return err == nil && json.Unmarshal(b, &m) == nil && m.Program == program
}

// same reports whether two names are one folder.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// names remembers files, so that one that is reachable by two names is read once. Only files of one size can be the same.
type names struct {
	paths  map[string]bool
	bySize map[int64][]sameSize
}

type sameSize struct {
	info fs.FileInfo
	path string
}

func add(files []File, seen names, path string, err error) []File {
	if abs, e := filepath.Abs(path); e == nil {
		if seen.paths[abs] {
			return files
		}
		seen.paths[abs] = true
	}
	f := File{Path: path, Kind: Other}
	if info, e := os.Stat(path); err == nil && e == nil {
		for _, other := range seen.bySize[info.Size()] {
			if os.SameFile(info, other.info) {
				f.Problem = "the same file as " + other.path
				return append(files, f)
			}
		}
		seen.bySize[info.Size()] = append(seen.bySize[info.Size()], sameSize{info, path})
	}
	if err == nil {
		err = f.identify()
	}
	if err != nil {
		f.Problem = problem(path, err)
	}
	return append(files, f)
}

// identify finds out what a file is.
func (f *File) identify() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		f.Problem = "not a file (a link to a folder, a pipe or a device): not read"
		return nil
	}
	f.Size = info.Size()
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, look)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	switch {
	case n == 0:
		f.Problem = "empty"
	case source.Sniff(head) || zippedCapture(head):
		f.Kind = Capture
	case evtx.Sniff(head):
		f.Kind = EventLog
	case source.Describe(head) != "":
		f.Problem = source.Describe(head)
	default:
		f.readText(file, head)
	}
	return nil
}

// zippedCapture reports whether compressed bytes (RFC 1952) begin as a capture.
func zippedCapture(head []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	first := make([]byte, 4)
	_, err = io.ReadFull(z, first)
	return err == nil && source.Sniff(first)
}

// readText finds out what a text is.
func (f *File) readText(file *os.File, head []byte) {
	if isNames(head) {
		f.Kind = NameList
		return
	}
	if f.Size <= maxText {
		text := make([]byte, f.Size)
		if n, err := file.ReadAt(text, 0); err == nil || errors.Is(err, io.EOF) {
			if _, ok := post.Read(text[:n]); ok {
				f.Kind = Offer
				return
			}
		}
	}
	if dump.Sniff(head) {
		f.Kind = Table
	}
}

// isNames reports whether a file is a list of systems: a heading of address and name.
func isNames(head []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), []byte("\n"))
	first, rest, found := strings.Cut(strings.ToLower(strings.TrimSpace(string(line))), ",")
	name, _, _ := strings.Cut(rest, ",")
	return found && utf8.Valid(line) && slices.Contains([]string{"address", "ip", "ip address"}, strings.TrimSpace(first)) &&
		slices.Contains([]string{"name", "host", "system"}, strings.TrimSpace(name))
}

// namesIn reads the names of systems in the evidence.
func namesIn(files []File) watch.Names {
	all := watch.Names{}
	for i := range files {
		f := &files[i]
		if f.Kind != NameList {
			continue
		}
		names, err := watch.LoadNames(f.Path)
		if err != nil {
			f.Problem = problem(f.Path, err)
			continue
		}
		f.Items = int64(len(names))
		for a, name := range names {
			all[a] = name
		}
	}
	return all
}

// problem gives an error in one line, without the path: the list of files has that.
func problem(path string, err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), path+": ")
}

// explain adds to an error of the system what to do next.
func explain(path string, err error) error {
	next := "check the path"
	if errors.Is(err, fs.ErrPermission) {
		next = "run as a user who may read it"
	}
	return fmt.Errorf("%s: %s; %s", path, problem(path, err), next)
}
