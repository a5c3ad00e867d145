package site

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Severity says whether a file with a problem is taken.
type Severity uint8

// Severities.
const (
	Wrong   Severity = iota // the file is not taken
	Warning                 // it is, and somebody should look
	Unread                  // the file is not taken: what it names cannot be read, and may be good
)

// Problem is one thing that is wrong in a file, and what to write instead. It holds names of keys and short values, never
// what could be a secret.
type Problem struct {
	Line     int // 0: of the file as a whole
	Severity Severity
	Text     string
}

// Error is a file that is not good.
type Error struct {
	Path     string
	Problems []Problem // in the order of their lines, warnings among them
}

// Error gives a line for each problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.In(e.Path))
	}
	return strings.Join(lines, "\n")
}

// Unread reports whether something that the file names could not be read, so that nobody knows yet whether it is good.
func (e *Error) Unread() bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Severity == Unread })
}

// In writes the problem as one of a file.
func (p Problem) In(path string) string {
	text := p.Text
	if p.Severity == Warning {
		text = "warning: " + text
	}
	if p.Line == 0 {
		return path + ": " + text
	}
	return fmt.Sprintf("%s:%d: %s", path, p.Line, text)
}

// wrong gives the problems for which a file is not taken.
func wrong(all []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p Problem) bool { return p.Severity == Warning })
}

// Bounds of what is told, for nobody mends more before the next try, and of what is kept until it is in order.
const (
	maxProblems = 100
	maxKept     = 10 * maxProblems
	maxMeant    = 20 // with a suggestion of a name of a party or group
)

// bounded puts problems in the order of their lines and keeps the first ones.
func bounded(all []Problem) []Problem {
	slices.SortFunc(all, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text)) })
	errors := len(wrong(all))
	if len(all) > maxProblems {
		all = all[:maxProblems:maxProblems]
		severity := Warning
		if errors > 0 { // the file is wrong, even if its errors come last
			severity = Wrong
		}
		all = append(all, Problem{all[maxProblems-1].Line, severity, "and more problems behind this line"})
	}
	return all
}

// reason gives what is wrong with a file, with its path and without the name of the system call.
func reason(err error) string {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return path.Path + " is not there"
	}
	if errors.Is(err, fs.ErrPermission) {
		return path.Path + " cannot be read by the user who runs this: permission denied"
	}
	return path.Path + " cannot be read: " + path.Err.Error()
}

// mistakes are what a system says of a path that nobody can read as a file, whoever asks and whenever.
var mistakes = []error{fs.ErrNotExist, errTooLong, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL}

// windowsMistakes are those that package syscall has no names for (Windows, System Error Codes).
var windowsMistakes = []error{
	syscall.Errno(123),  // ERROR_INVALID_NAME
	syscall.Errno(161),  // ERROR_BAD_PATHNAME
	syscall.Errno(206),  // ERROR_FILENAME_EXCED_RANGE
	syscall.Errno(267),  // ERROR_DIRECTORY
	syscall.Errno(1921), // ERROR_CANT_RESOLVE_FILENAME
}

// Mistaken reports whether a file could not be read because of what is written in the site file. If not, another user may be permitted to,
// or the disk be well again.
func Mistaken(err error) bool {
	is := func(mistake error) bool { return errors.Is(err, mistake) }
	return slices.ContainsFunc(mistakes, is) || runtime.GOOS == "windows" && slices.ContainsFunc(windowsMistakes, is)
}

// severityOf gives that of a file that was not read.
func severityOf(err error) Severity {
	if err == nil || Mistaken(err) {
		return Wrong
	}
	return Unread
}
