package spool

import (
	"encoding/binary"
	"errors"
	"time"
)

// Entry is a message and what has to be known of it to deliver it. All of it is sealed on disk.
type Entry struct {
	Came     time.Time
	From, To string   // the parties as the site file calls them: it was decided that To may have it
	Word     string   // the protocol's own: ORU^R01
	IDs      []string // its control IDs, by which it is answered; a frame may hold several messages
	Awaited  bool     // an answer will come
	Answer   string   // of a rejected one: what its receiver said
	Object   ObjectID // what goes with the message; zero: nothing
	Message  []byte   // as it came, framed; of an object, what has to be known to deliver it
}

// Kept is an entry that lies in the spool.
type Kept struct {
	Entry
	Number uint64
}

// An entry before it is sealed, integers big-endian:
//
//	0  1  version 1, or 2 with an object
//	1  1  1: an answer will come
//	2  8  when it came, ns since 1970
//	10 .  from, to, word, answer: length (2 bytes) and text, each
//	 . 2  how many control IDs, then each as length and text
//	 . 16 version 2: the object's id
//	 . .  the message, to the end
const (
	entryVersion  = 1
	objectVersion = 2
)

var errEntry = errors.New("an entry that was not written by this version")

func (e *Entry) encode() ([]byte, error) {
	b := make([]byte, 0, 64+len(e.Message))
	b = append(b, entryVersion, 0)
	if e.Awaited {
		b[1] = 1
	}
	if e.Object != (ObjectID{}) {
		b[0] = objectVersion
	}
	b = binary.BigEndian.AppendUint64(b, uint64(e.Came.UnixNano()))
	long := len(e.IDs) > 0xFFFF
	text := func(s string) {
		long = long || len(s) > 0xFFFF
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	for _, s := range []string{e.From, e.To, e.Word, e.Answer} {
		text(s)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.IDs)))
	for _, id := range e.IDs {
		text(id)
	}
	if long {
		return nil, errors.New("spool: a name or control ID of more than 65535 bytes")
	}
	if b[0] == objectVersion {
		b = append(b, e.Object[:]...)
	}
	return append(b, e.Message...), nil
}

func decode(b []byte) (e Entry, err error) {
	if len(b) < 10 || b[0] != entryVersion && b[0] != objectVersion || b[1] > 1 {
		return e, errEntry
	}
	e.Awaited = b[1] == 1
	object := b[0] == objectVersion
	e.Came = time.Unix(0, int64(binary.BigEndian.Uint64(b[2:])))
	b = b[10:]
	short := false
	number := func() int {
		if short = short || len(b) < 2; short {
			return 0
		}
		n := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		return n
	}
	text := func() string {
		n := number()
		if short = short || len(b) < n; short {
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	e.From, e.To, e.Word, e.Answer = text(), text(), text(), text()
	for n := number(); n > 0 && !short; n-- {
		e.IDs = append(e.IDs, text())
	}
	if object && !short {
		if short = len(b) < len(e.Object); !short {
			b = b[copy(e.Object[:], b):]
		}
	}
	if short {
		return Entry{}, errEntry
	}
	e.Message = b
	return e, nil
}
