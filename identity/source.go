package identity

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"time"
)

// settled is how long a file must have been left alone before its time of change tells of the next change, too: some file
// systems count seconds.
const settled = 3 * time.Second

// source is what some files said when they were good last.
type source[T any] struct {
	paths []string
	parse func(files [][]byte) (T, error)

	value T
	infos []os.FileInfo
	sum   [sha256.Size]byte
	err   error     // what is wrong with them now; nil: nothing
	since time.Time // since when
}

// look reads the files if they changed, and says whether that changed anything. again parses them in any case. Files that are
// bad leave the value as it was.
func (s *source[T]) look(now time.Time, again bool) (changed bool) {
	infos, same, err := s.stat(now)
	if err == nil && same && s.err == nil && !again {
		return false
	}
	var files [][]byte
	sum := sha256.New()
	for _, path := range s.paths {
		if err != nil {
			break
		}
		var b []byte
		b, err = readFile(path)
		files = append(files, b)
		fmt.Fprintf(sum, "%d ", len(b)) // a hash takes everything
		sum.Write(b)
	}
	var value T
	if err == nil {
		if [sha256.Size]byte(sum.Sum(nil)) == s.sum && s.err == nil && !again {
			s.infos = infos
			return false
		}
		if value, err = s.parse(files); err != nil {
			err = fmt.Errorf("%s: %w", strings.Join(s.paths, ", "), err)
		}
	}
	if err != nil {
		changed = s.err == nil
		if changed {
			s.since = now
		}
		s.err = err
		return changed
	}
	s.value, s.infos, s.sum, s.err = value, infos, [sha256.Size]byte(sum.Sum(nil)), nil
	return true
}

func (s *source[T]) stat(now time.Time) (infos []os.FileInfo, same bool, err error) {
	same = len(s.infos) == len(s.paths)
	for i, path := range s.paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, false, err
		}
		infos = append(infos, info)
		same = same && os.SameFile(info, s.infos[i]) && info.Size() == s.infos[i].Size() &&
			info.ModTime().Equal(s.infos[i].ModTime()) && now.Sub(info.ModTime()) > settled
	}
	return infos, same, nil
}
