package disk

import (
	"os"
	"path/filepath"
	"sync"

	"chaperone/ledger/record"
)

// segments keeps the files of the record open for reading.
type segments struct {
	dir  string
	mu   sync.Mutex
	open map[uint32]*os.File
}

// file gives a segment. It stays open until close.
func (s *segments) file(n uint32) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.open[n]; f != nil {
		return f, nil
	}
	f, err := os.Open(filepath.Join(s.dir, record.SegmentName(n)))
	if err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[uint32]*os.File{}
	}
	s.open[n] = f
	return f, nil
}

func (s *segments) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.open {
		_ = f.Close() // only read
	}
	s.open = nil
}
