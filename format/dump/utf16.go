package dump

import (
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// byteOrder recognises the byte order mark of UTF-16; nil without one.
func byteOrder(b []byte) binary.ByteOrder {
	switch {
	case len(b) >= 2 && b[0] == 0xFF && b[1] == 0xFE:
		return binary.LittleEndian
	case len(b) >= 2 && b[0] == 0xFE && b[1] == 0xFF:
		return binary.BigEndian
	}
	return nil
}

// utf16Reader turns UTF-16 into UTF-8. What is no character becomes U+FFFD; an odd byte at the end is dropped.
type utf16Reader struct {
	source io.Reader
	order  binary.ByteOrder
	raw    [4 << 10]byte
	kept   int // bytes at the beginning of raw that wait for the rest of their character
	ready  []byte
	room   []byte
	err    error
}

func newUTF16(source io.Reader, order binary.ByteOrder) *utf16Reader {
	return &utf16Reader{source: source, order: order}
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	if len(u.ready) == 0 && u.err == nil {
		n, err := u.source.Read(u.raw[u.kept:])
		u.err = err
		u.decode(u.kept + n)
	}
	n := copy(p, u.ready)
	u.ready = u.ready[n:]
	if len(u.ready) == 0 {
		return n, u.err
	}
	return n, nil
}

func (u *utf16Reader) decode(n int) {
	out, at := u.room[:0], 0
	for ; at+2 <= n; at += 2 {
		c := rune(u.order.Uint16(u.raw[at:]))
		if utf16.IsSurrogate(c) {
			if at+4 > n && u.err == nil {
				break
			}
			pair := rune(utf8.RuneError)
			if at+4 <= n {
				pair = utf16.DecodeRune(c, rune(u.order.Uint16(u.raw[at+2:])))
			}
			if pair != utf8.RuneError {
				at += 2
			}
			c = pair
		}
		out = utf8.AppendRune(out, c)
	}
	u.kept = copy(u.raw[:], u.raw[at:n])
	u.room, u.ready = out, out
}
