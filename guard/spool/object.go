package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// An object is what may be too large for memory: it lies in a file of its own, in the folder objects, and one entry names it. Integers
// are big-endian:
//
//	header   0  8  magic "chapspo1"
//	         8 16  random id, which is its name too: the file's key comes of it
//	        24  8  what tells that key from others, as in a segment
//	        32  4  CRC32C of bytes 0 to 32
//
//	chunk    0  .  64 KiB of the object, in the last one what is left, and tag: AES-256-GCM with the header as additional data
//
// The nonce of a chunk is its number and whether it is the last, so that one that is missing, moved, or from another object is noticed
// (STREAM; Hoang, Reyhanitabar, Rogaway, Vizár, 2015). No key has two files, and no file is written twice.
const (
	objectMagic  = "chapspo1"
	objectHeader = 36
	chunkSize    = 64 << 10
	tagSize      = 16
	objectEnding = ".object"
	partEnding   = ".part" // while it is written: nobody was ever told that it is kept
	objectFolder = "objects"
)

// ObjectID names an object; the zero value names none.
type ObjectID [16]byte

func (id ObjectID) file(dir string) string {
	return id.beside(dir, objectEnding)
}

// beside is the path of what belongs to an object, by its ending.
func (id ObjectID) beside(dir, ending string) string {
	return filepath.Join(dir, objectFolder, hex.EncodeToString(id[:])+ending)
}

func nonceOf(number uint64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], number)
	if last {
		n[11] = 1
	}
	return n
}

// objectAEAD gives what seals the chunks of an object. ok is false when check is another key's.
func (o *Options) objectAEAD(id ObjectID, check []byte) (aead cipher.AEAD, ok bool) {
	key := o.Key(id)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	if aead, err = cipher.NewGCM(block); err != nil {
		panic(err) // the block is one of AES
	}
	want := checkOf(key)
	return aead, string(check) == string(want[:])
}

func (o *Options) newObjectHeader() (id ObjectID, header []byte) {
	_, _ = rand.Read(id[:]) // it never fails (crypto/rand)
	check := checkOf(o.Key(id))
	header = append(append([]byte(objectMagic), id[:]...), check[:]...)
	return id, binary.BigEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
}

// part gives where it is while it is written.
func (id ObjectID) part(dir string) string {
	return strings.TrimSuffix(id.file(dir), objectEnding) + partEnding
}

// Object is an object that is being written. It is for one goroutine, which has to end it by Keep or Drop.
type Object struct {
	s      *Spool
	id     ObjectID
	path   string
	file   *os.File
	aead   cipher.AEAD
	header []byte
	chunk  []byte // that is not sealed yet; it has room for the tag
	number uint64 // of that chunk
	at     int64
	held   int64 // bytes of the spool's room that it has
}

// Create begins an object. Errors: ErrFull; that of the disk.
func (s *Spool) Create() (*Object, error) {
	o := &Object{s: s, chunk: make([]byte, 0, chunkSize+tagSize)}
	o.id, o.header = s.o.newObjectHeader()
	o.aead, _ = s.o.objectAEAD(o.id, nil) // its key is at hand
	o.path = o.id.part(s.o.Dir)
	var err error
	if o.file, err = os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := o.put(o.header); err != nil {
		o.Drop()
		return nil, err
	}
	return o, nil
}

// put writes behind what is there, when the spool has room for it.
func (o *Object) put(b []byte) error {
	if err := o.s.reserve(int64(len(b))); err != nil {
		return err
	}
	o.held += int64(len(b))
	if err := o.s.o.Disk.Write(o.file, b, o.at); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	o.at += int64(len(b))
	return nil
}

// Write adds to the object. Errors: ErrFull; that of the disk. Behind one, nothing but Drop may be called.
func (o *Object) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if len(o.chunk) == chunkSize { // and it is not the last
			if err := o.seal(false); err != nil {
				return n, err
			}
		}
		part := b[n:min(len(b), n+chunkSize-len(o.chunk))]
		o.chunk = append(o.chunk, part...)
		n += len(part)
	}
	return n, nil
}

func (o *Object) seal(last bool) error {
	sealed := o.aead.Seal(o.chunk[:0], nonceOf(o.number, last), o.chunk, o.header)
	o.number++
	o.chunk = o.chunk[:0]
	return o.put(sealed)
}

// Keep takes the object with the entry that names it. Both are on disk when it returns without an error, and only then may their sender
// be told.
//
// Errors: ErrFull; that of the disk. Then nothing is left of it.
func (o *Object) Keep(e Entry) error {
	err := o.seal(true)
	if err == nil {
		err = o.s.o.Disk.Sync(o.file)
	}
	if err = errors.Join(err, o.file.Close()); err == nil {
		err = o.named()
	}
	if err == nil {
		err = o.s.hold(o.id, o.held, &e)
	}
	if err == nil {
		e.Object = o.id
		err = o.s.Append(e)
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrFull) && !errors.Is(err, errClosed):
		err = fmt.Errorf("spool: an object was not kept: %w", err)
	}
	o.Drop()
	return err
}

// named gives an object that is whole its name.
func (o *Object) named() error {
	path := o.id.file(o.s.o.Dir)
	if err := os.Rename(o.path, path); err != nil {
		return err
	}
	o.path = path
	return o.s.o.Disk.Folder(filepath.Dir(path))
}

// Drop gives up an object that is not kept.
func (o *Object) Drop() {
	_ = o.file.Close() // nothing of it is needed
	o.s.drop(o.id, o.held)
	_ = os.Remove(o.path) // else the next Open removes it
}
