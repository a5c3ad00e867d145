package investigate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// meter tells how far the reading is. Every byte is read twice: once for what it says, once for its digest.
type meter struct {
	done, total atomic.Int64
	inCaptures  int64
	show        func(done, total int64)
	mu          sync.Mutex
}

func newMeter(files []File, show func(done, total int64)) *meter {
	m := &meter{show: show}
	for _, f := range files {
		m.total.Add(f.Size)
		switch f.Kind {
		case Capture, EventLog, Table:
			m.total.Add(f.Size)
		}
	}
	return m
}

func (m *meter) add(n int64) {
	done := m.done.Add(n)
	if m.show != nil && m.mu.TryLock() {
		m.show(done, m.total.Load())
		m.mu.Unlock()
	}
}

// captures is for watch.Options.Progress.
func (m *meter) captures(done, _ int64) {
	m.add(done - m.inCaptures)
	m.inCaptures = done
}

// counted counts what is read through it, and stops when the run does.
type counted struct {
	ctx context.Context
	r   io.Reader
	m   *meter
}

func (c counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.m.add(int64(n))
	return n, err
}

// hashAll takes the SHA-256 of every file, beside the reading. The returned function waits for it.
func hashAll(ctx context.Context, files []File, m *meter) (wait func()) {
	sums := make([]string, len(files))
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i, path := range paths {
			sums[i] = sum(ctx, path, m)
		}
	}()
	return func() {
		<-done
		for i := range files {
			files[i].SHA256 = sums[i]
		}
	}
}

// sum gives the digest of a file, "" when it cannot be read to its end.
func sum(ctx context.Context, path string, m *meter) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{counted{ctx, f, m}}, make([]byte, 256<<10)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
