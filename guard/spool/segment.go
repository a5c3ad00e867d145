package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A segment is a header and records behind each other, integers big-endian. The header is durable under the file's name before the
// first record is written, so that one that is not whole is damage. A record belongs to a group, which is written at once.
//
//	header   0  8  magic "chapspl1"
//	         8  8  number of the first message
//	        16 16  random id: the segment's key comes of it
//	        32  8  what tells that key from others: another key would find nothing but broken records
//	        40  4  CRC32C of bytes 0 to 40
//
//	record   0  4  length of what is sealed
//	         4  8  number of the message
//	        12  8  number of the first message of its group
//	        20  4  CRC32C of bytes 0 to 20
//	        24  .  nonce, entry and tag: AES-256-GCM, with bytes 0 to 20 as additional data
const (
	magic      = "chapspl1"
	headerSize = 44
	headSize   = 24
	sealing    = 12 + 16 // nonce and tag
	maxRecord  = 1<<30 + 1<<20
	ending     = ".spool"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, ending) }

// newHeader makes the header of a segment, with an id of its own.
func (o *Options) newHeader(first uint64) []byte {
	b := make([]byte, 32, headerSize)
	copy(b, magic)
	binary.BigEndian.PutUint64(b[8:], first)
	_, _ = rand.Read(b[16:]) // it never fails (crypto/rand)
	check := checkOf(o.Key([16]byte(b[16:])))
	b = append(b, check[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkOf recognises a key and says nothing about it.
func checkOf(key [32]byte) [8]byte {
	sum := sha256.Sum256(append([]byte("chaperone/spool-check/v1"), key[:]...))
	return [8]byte(sum[:8])
}

// aead gives what seals the records of a segment with that header. ok is false when it was made with another key.
func (o *Options) aead(header []byte) (aead cipher.AEAD, ok bool) {
	key := o.Key([16]byte(header[16:]))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	if aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		panic(err) // the block is one of AES
	}
	return aead, [8]byte(header[32:]) == checkOf(key)
}

// sealRecord makes a record.
func sealRecord(aead cipher.AEAD, e *Entry, number, first uint64) ([]byte, error) {
	plain, err := e.encode()
	if err != nil {
		return nil, err
	}
	if len(plain)+sealing > maxRecord {
		return nil, errors.New("spool: a message of more than 1 GiB")
	}
	b := make([]byte, 0, headSize+len(plain)+sealing)
	b = binary.BigEndian.AppendUint32(b, uint32(len(plain)+sealing))
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return aead.Seal(b, nil, plain, b[:20]), nil
}

// head is the beginning of a record.
type head struct {
	length        int
	number, first uint64
}

func parseHead(b []byte) (h head, ok bool) {
	h = head{int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint64(b[12:])}
	return h, h.length >= sealing && h.length <= maxRecord && crc32.Checksum(b[:20], castagnoli) == binary.BigEndian.Uint32(b[20:])
}

// reader reads the records of a segment in their order.
type reader struct {
	file   source
	aead   cipher.AEAD
	first  uint64
	number uint64 // of the next record
	at     int64
}

// source is where a segment's bytes are: a file.
type source interface {
	io.ReaderAt
	io.Closer
}

// open opens a segment. Errors: *Damage; ErrWrongKey; it cannot be read.
func (o *Options) open(path string) (*reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	r, err := o.reader(f, path)
	if err != nil {
		_ = f.Close() // it was only read
	}
	return r, err
}

func (o *Options) reader(f source, path string) (*reader, error) {
	var b [headerSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || string(b[:8]) != magic || crc32.Checksum(b[:40], castagnoli) != binary.BigEndian.Uint32(b[40:]) {
		return nil, &Damage{File: path, Why: "its header is not whole"}
	}
	aead, ok := o.aead(b[:])
	if !ok {
		return nil, fmt.Errorf("spool: %s: %w", path, ErrWrongKey)
	}
	first := binary.BigEndian.Uint64(b[8:])
	return &reader{file: f, aead: aead, first: first, number: first, at: headerSize}, nil
}

// errBroken says that there is no whole record where the reader stands.
var errBroken = errors.New("not a whole record")

// next reads a record that ends at size at the latest. Errors: io.EOF at size; errBroken; that of reading.
func (r *reader) next(size int64) (k Kept, err error) {
	if r.at == size {
		return k, io.EOF
	}
	var b [headSize]byte
	if size-r.at < headSize {
		return k, errBroken
	}
	if _, err := r.file.ReadAt(b[:], r.at); err != nil {
		return k, err
	}
	h, ok := parseHead(b[:])
	if !ok || h.number != r.number || h.first > h.number || int64(h.length) > size-r.at-headSize {
		return k, errBroken
	}
	sealed := make([]byte, h.length)
	if _, err := r.file.ReadAt(sealed, r.at+headSize); err != nil {
		return k, err
	}
	plain, err := r.aead.Open(sealed[:0], nil, sealed, b[:20])
	if err != nil {
		return k, errBroken
	}
	if k.Entry, err = decode(plain); err != nil {
		return k, errBroken
	}
	k.Number = r.number
	r.number++
	r.at += headSize + int64(h.length)
	return k, nil
}

// later reports whether a whole record stands somewhere behind a broken one, and was written after it: then the broken one was durable
// once. Those of its own group tell nothing; the parts of one write reach the disk in any order.
func (r *reader) later(size int64) (bool, error) {
	rest := make([]byte, size-r.at)
	if _, err := r.file.ReadAt(rest, r.at); err != nil {
		return false, err
	}
	for i := 0; i+headSize <= len(rest); i++ {
		b := rest[i:]
		h, ok := parseHead(b)
		if !ok || h.first <= r.number || h.first > h.number || h.length > len(b)-headSize {
			continue
		}
		if _, err := r.aead.Open(nil, nil, b[headSize:headSize+h.length], b[:20]); err == nil {
			return true, nil
		}
	}
	return false, nil
}
