package identity

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chaperone/ledger/durable"
)

// Modes of files: keys are for their owner, certificates and revocation lists for everybody who has to check them.
const (
	secretMode = 0o600
	publicMode = 0o644
)

// maxFile bounds a file that is read as a whole. The longest are revocation lists of large outside authorities.
const maxFile = 32 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: longer than such a file is", path)
	}
	return b, err
}

// WriteKey puts a key where nothing is yet, mode 0600, whole and on disk. Errors: fs.ErrExist.
func WriteKey(path string, key []byte) error { return writeNew(path, key, secretMode) }

// WriteCertificate puts a certificate in a file that everybody may read, in the place of an earlier one.
func WriteCertificate(path string, certificate []byte) error {
	return replace(path, certificate, publicMode)
}

// writeNew puts a file that must not be there yet, whole and on disk. Errors: fs.ErrExist.
func writeNew(path string, b []byte, mode fs.FileMode) error {
	temp, err := write(path, b, mode)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// A link refuses a name that is there, which a rename does not. Where a file system has no links, the time between the look
	// and the rename is left.
	if err := os.Link(temp, path); err != nil {
		if _, gone := os.Lstat(path); gone == nil {
			return fmt.Errorf("%s: %w", path, fs.ErrExist)
		}
		if err := os.Rename(temp, path); err != nil {
			return err
		}
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// replace puts a file in the place of another, whole and on disk.
func replace(path string, b []byte, mode fs.FileMode) error {
	temp, err := write(path, b, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// write writes a file beside its place, and gives its name there.
func write(path string, b []byte, mode fs.FileMode) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}

// blocks gives the contents of a PEM file (RFC 7468) that holds blocks of one kind and nothing else. A file that was cut is
// refused: what is missing from it might matter.
func blocks(b []byte, kind string) ([][]byte, error) {
	var list [][]byte
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		if block.Type != kind {
			return nil, fmt.Errorf("it holds a %s, where only %s belongs", strings.ToLower(block.Type), strings.ToLower(kind))
		}
		list, b = append(list, block.Bytes), rest
	}
	if strings.Contains(string(b), "-----BEGIN") {
		return nil, errors.New("it ends in the middle of a PEM block")
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("it is not a PEM file with a %s", strings.ToLower(kind))
	}
	return list, nil
}

// advise adds to an error of permissions what to do about it.
func advise(err error, dir string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; do this as the user who owns %s (root, most often), or with another folder", err, dir)
	}
	return err
}
