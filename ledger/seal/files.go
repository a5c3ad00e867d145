package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/durable"
)

// Names below a ledger's folder.
const (
	logFolder      = "log"
	checkpointFile = "checkpoint" // in logFolder
	cosignedFile   = "cosigned"   // in logFolder
	witnessesFile  = "witnesses"
)

// tilePath is a tile's path below log/, without ".p/W" (C2SP tlog-tiles).
func tilePath(level int, n uint64) string { return fmt.Sprintf("tile/%d/%s", level, numberPath(n)) }

// numberPath writes 1234067 as x001/x234/067, so that no folder grows without end.
func numberPath(n uint64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

func (t *tile) path() string {
	path := tilePath(t.level, t.n)
	if len(t.hashes) < tileWidth {
		path += ".p/" + strconv.Itoa(len(t.hashes))
	}
	return filepath.FromSlash(path)
}

func (t *tile) bytes() []byte {
	b := make([]byte, 0, len(t.hashes)*tlog.HashSize)
	for i := range t.hashes {
		b = append(b, t.hashes[i][:]...)
	}
	return b
}

// readTile reads a tile of width hashes. Errors: ErrTile.
func readTile(dir string, level int, n uint64, width int) ([]byte, error) {
	shape := tile{level: level, n: n, hashes: make([]tlog.Hash, width)}
	path := filepath.Join(dir, shape.path())
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("seal: %s is missing: %w", path, ErrTile)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != width*tlog.HashSize {
		return nil, fmt.Errorf("seal: %s has %d bytes instead of %d: %w", path, len(b), width*tlog.HashSize, ErrTile)
	}
	return b, nil
}

// hashesOf splits a tile's bytes.
func hashesOf(b []byte) []tlog.Hash {
	hashes := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range hashes {
		hashes[i] = tlog.Hash(b[i*tlog.HashSize:])
	}
	return hashes
}

// syncers is how many files are flushed at a time: a file system flushes several for the price of one.
const syncers = 8

// writeTiles writes tiles and returns when they and their folders are durable. A tile is in the way of nobody before a
// checkpoint covers it, so that it is written in place.
func writeTiles(dir string, tiles []tile) error {
	folders := map[string]bool{}
	for i := range tiles {
		folder := filepath.Join(dir, filepath.Dir(tiles[i].path()))
		if err := makeFolder(folder, folders); err != nil {
			return err
		}
		folders[folder] = true
	}
	var wait sync.WaitGroup
	errs := make([]error, syncers)
	for worker := range min(syncers, len(tiles)) {
		wait.Go(func() {
			for i := worker; i < len(tiles) && errs[worker] == nil; i += syncers {
				errs[worker] = writeSynced(filepath.Join(dir, tiles[i].path()), tiles[i].bytes())
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for folder := range folders {
		if err := durable.SyncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder and those above it, and adds to the list every folder that got a new name in it.
func makeFolder(folder string, changed map[string]bool) error {
	for {
		err := os.Mkdir(folder, 0o755)
		switch {
		case err == nil:
			changed[filepath.Dir(folder)] = true
			return nil
		case errors.Is(err, fs.ErrExist):
			return nil
		case !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder):
			return err
		}
		if err := makeFolder(filepath.Dir(folder), changed); err != nil {
			return err
		}
	}
}

// writeSynced writes a file and flushes it.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeOld removes partial tiles that these tiles took the place of. What stays behind takes room and nothing else.
func removeOld(dir string, tiles []tile) {
	for i := range tiles {
		t := &tiles[i]
		folder := filepath.Join(dir, filepath.FromSlash(tilePath(t.level, t.n)+".p"))
		if len(t.hashes) == tileWidth {
			_ = os.RemoveAll(folder)
			continue
		}
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			if entry.Name() != strconv.Itoa(len(t.hashes)) {
				_ = os.Remove(filepath.Join(folder, entry.Name()))
			}
		}
	}
}

// removeFilled removes the partial tiles at the edge of old leaves that are full now.
func removeFilled(dir string, old, size uint64) {
	for level := 0; old>>(tileHeight*level) > 0; level++ {
		n := old >> (tileHeight * (level + 1))
		if n < size>>(tileHeight*(level+1)) {
			_ = os.RemoveAll(filepath.Join(dir, filepath.FromSlash(tilePath(level, n)+".p")))
		}
	}
}
