// Package site reads the operator's one file: who the parties of a site are, who may do what, how much at most, and where
// to listen. The file is read whole and checked whole before anything listens; every mistake is told with its line, all at
// once, and with what to write instead. docs/site-file.md says what each key means.
//
// Reading a file touches no other but the Cedar files that it names; Check looks whether those that it names are there.
package site

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"chaperone/ledger"
)

// Site is a file that was read and found good; one that was made otherwise can be written, and asked nothing. It is not changed
// after Load, and then safe for concurrent use.
type Site struct {
	Name       string           // in certificates: spiffe://NAME/party/…
	Zone       string           // IANA name of the zone of Party.Hours; "" for the machine's own
	Ledger     string           // folder; "" where the command or the environment says it
	Keys       string           // folder
	Retain     ledger.Retention // of the record's days; the zero value keeps all
	Identity   Identity
	Inside     []netip.Prefix // the operator's own networks
	IgnoreCase bool           // of AE titles and applications
	Parties    []Party
	Defaults   bool // the grants that come with the program hold too
	Grants     []Grant
	Budgets    Budgets
	Cedar      []string // files
	Listeners  []Listener
	Metrics    netip.AddrPort // invalid: none
	Log        Log

	Version  string            // of the policy: the first 12 hexadecimal digits of the SHA-256 of the file and its Cedar files, as by cat | sha256sum
	Policies map[string][]byte // the Cedar files' bytes by their paths in Cedar
	Warnings []Problem         // what is allowed, and better otherwise

	// Comments are for Write, which puts them above what they are about: "" the file, "parties" a key, "parties.ct1" one of a
	// list, by its name, "parties.ct1.budget" a key of it. They are not read back.
	Comments map[string]string

	lines map[any]int // of what was read, by the pointer to where it went
	index *index
}

// Identity says how the guard proves itself and whom it believes.
type Identity struct {
	Authority        string   // folder of the own issuer
	Roots            []string // certificates of outside issuers
	CRLs             []string // revocations of outside issuers
	Certificate, Key string   // the guard's own
}

// Budgets are the limits beside those of single parties.
type Budgets struct {
	Groups map[string]Limits
	Roles  map[Role]Limits
	Site   Limits
}

// Log says how the guard writes its log.
type Log string

// How a log is written.
const (
	LogText Log = "text"
	LogJSON Log = "json"
)

// maxFile bounds the file: a thousand parties take a fifth of it.
const maxFile = 1 << 20

// Load reads a file and the Cedar files that it names. Relative paths in it are of its own folder.
//
// Errors: *Error with all problems when the file is not good; the error of reading it otherwise.
func Load(path string) (*Site, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, &unread{err}
	}
	s, problems := Parse(b)
	if s == nil {
		return nil, &Error{path, problems}
	}
	for _, f := range s.files() {
		if !filepath.IsAbs(*f.path) {
			*f.path = filepath.Join(filepath.Dir(path), *f.path)
		}
	}
	sum := sha256.New()
	sum.Write(b)
	for i, name := range s.Cedar {
		policy, err := readFile(name)
		if err != nil {
			problems = append(problems, Problem{s.Line(&s.Cedar[i]), severityOf(err), "cedar: " + reason(err)})
		}
		s.Policies[name] = policy
		sum.Write(policy)
	}
	if len(wrong(problems)) > 0 {
		return nil, &Error{path, problems}
	}
	s.Version = hex.EncodeToString(sum.Sum(nil))[:12]
	return s, nil
}

// Parse reads the bytes of a file. The Site is nil when one of the problems is an error; it has no Version and no Policies.
func Parse(b []byte) (*Site, []Problem) {
	s := &Site{Policies: map[string][]byte{}}
	r := &reader{lines: map[any]int{}}
	if root := r.document(b); root != nil {
		top := s.block()
		top.standard()
		top.read(r, "", root)
		s.lines = r.lines
		r.problems = append(r.problems, s.check()...)
	}
	all := bounded(r.problems)
	if len(wrong(all)) > 0 {
		return nil, all
	}
	s.Warnings = all
	s.link()
	return s, all
}

// Line gives the line on which something was written: a pointer to a Party, Grant, Listener, or to a field of one. It is 0
// when that was not in the file.
func (s *Site) Line(field any) int { return s.lines[field] }

var errTooLong = errors.New("longer than 1 MiB")

// unread is an error of reading a site file in an operator's words.
type unread struct{ error }

func (u *unread) Error() string {
	text := "site file: " + reason(u.error)
	if errors.Is(u.error, fs.ErrNotExist) {
		text += "; chaperone guard --example prints one to begin with"
	}
	return text
}

func (u *unread) Unwrap() error { return u.error }

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errTooLong}
	}
	return b, nil
}
