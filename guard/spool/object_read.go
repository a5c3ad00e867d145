package spool

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// BadObject says that an object is not what was written. What was read of it before is.
type BadObject struct {
	File, Why string
	Missing   bool // there is no file
}

func (b *BadObject) Error() string { return fmt.Sprintf("spool: %s: %s", b.File, b.Why) }

// ObjectReader reads an object in its order.
type ObjectReader struct {
	file   source
	path   string
	aead   cipher.AEAD
	header []byte
	buffer []byte
	number uint64
	at     int64
	size   int64
}

// OpenObject opens an object that an entry names. Errors: *BadObject; it cannot be opened.
func (s *Spool) OpenObject(id ObjectID) (*ObjectReader, error) {
	path := id.file(s.o.Dir)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &BadObject{path, "it is not there", true}
	case err != nil:
		return nil, fmt.Errorf("spool: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // it was only read
		return nil, fmt.Errorf("spool: %w", err)
	}
	r, err := s.o.objectReader(f, path, id, info.Size())
	if err != nil {
		_ = f.Close() // it was only read
	}
	return r, err
}

func (o *Options) objectReader(f source, path string, id ObjectID, size int64) (*ObjectReader, error) {
	header := make([]byte, objectHeader)
	if _, err := f.ReadAt(header, 0); err != nil || string(header[:8]) != objectMagic || ObjectID(header[8:]) != id ||
		crc32.Checksum(header[:32], castagnoli) != binary.BigEndian.Uint32(header[32:]) {
		return nil, &BadObject{File: path, Why: "its header is not whole"}
	}
	aead, ok := o.objectAEAD(id, header[24:32])
	if !ok {
		return nil, &BadObject{File: path, Why: ErrWrongKey.Error()}
	}
	return &ObjectReader{file: f, path: path, aead: aead, header: header, buffer: make([]byte, chunkSize+tagSize), at: objectHeader, size: size}, nil
}

// Next gives the next piece, which is valid until the next call, and whether it is the last. Errors: *BadObject; io.EOF behind the last.
func (r *ObjectReader) Next() (piece []byte, last bool, err error) {
	if r.number > 0 && r.at == r.size {
		return nil, true, io.EOF
	}
	n := min(int64(len(r.buffer)), r.size-r.at)
	last = r.at+n == r.size
	bad := &BadObject{File: r.path, Why: fmt.Sprintf("damaged at offset %d", r.at)}
	if n < tagSize {
		return nil, false, bad
	}
	sealed := r.buffer[:n]
	if _, err := r.file.ReadAt(sealed, r.at); err != nil { // of an open file: what the disk does not give any more is damage
		return nil, false, bad
	}
	piece, err = r.aead.Open(sealed[:0], nonceOf(r.number, last), sealed, r.header)
	if err != nil {
		return nil, false, bad
	}
	r.number++
	r.at += n
	return piece, last, nil
}

// Close ends reading.
func (r *ObjectReader) Close() error { return r.file.Close() }
