package spool

import (
	"encoding/binary"
	"hash/crc32"
	"os"

	"chaperone/ledger/durable"
)

// cursor is the number of the last message that is delivered. Its file has two places, written in turn, so that a write that does not
// end harms one of them; the greater number holds. A place, integers big-endian:
//
//	 0  8  magic "chapspc1"
//	 8  8  number
//	16  4  CRC32C of bytes 0 to 16
type cursor struct {
	file   *os.File
	number uint64
	turn   int64
}

const (
	cursorFile  = "delivered"
	cursorMagic = "chapspc1"
	placeSize   = 20
	placesApart = 4096 // not in the same page
)

func place(number uint64) []byte {
	b := append(make([]byte, 0, placeSize), cursorMagic...)
	b = binary.BigEndian.AppendUint64(b, number)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// placed reads a place.
func placed(p []byte) (number uint64, whole bool) {
	number = binary.BigEndian.Uint64(p[8:])
	return number, string(p) == string(place(number))
}

// openCursor opens the file, and makes it when there is none. lost: there is one, or should be, and no place of it can be read.
func openCursor(path string) (c *cursor, lost bool, err error) {
	c = &cursor{}
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) || err == nil && len(b) > placesApart+placeSize {
		b, err = nil, nil
	}
	if err != nil {
		return nil, false, err
	}
	n, at, found := newest(b)
	c.number, c.turn = n, 1-at // the next goes into the other place
	if !found {
		whole := make([]byte, placesApart+placeSize)
		copy(whole, place(0))
		copy(whole[placesApart:], place(0))
		if err := durable.WriteFile(path, whole); err != nil {
			return nil, false, err
		}
	}
	c.file, err = os.OpenFile(path, os.O_RDWR, 0)
	return c, !found, err
}

// set makes a number durable.
func (c *cursor) set(number uint64, d Disk) error {
	if err := d.Write(c.file, place(number), c.turn*placesApart); err != nil {
		return err
	}
	if err := d.Sync(c.file); err != nil {
		return err
	}
	c.number, c.turn = number, 1-c.turn
	return nil
}
