package exchange

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/wire"
)

// Bounds of what is remembered of open files. When one is reached, the file that was idle longest is told as far as it
// was seen.
const (
	maxFiles      = 4096
	maxRanges     = 4096    // pieces of one file that do not touch
	maxAllRanges  = 1 << 20 // of all files, 16 bytes each
	maxSessions   = 4096
	maxChannels   = 64          // connections that are told apart, of one file
	fileSlack     = time.Second // by which the connections of one session may be out of step
	statusFailed  = 1 << 31     // NTSTATUS: warnings and errors
	unknownOffset = -1
)

// Range is a piece of a file: from its first byte to the one behind its last.
type Range struct{ From, To int64 }

// FileRead is what a client did to one file between opening and closing it: one open. Several opens of one file are
// several of these; those with the same Client address, Session, Share and Name belong together, and their Ranges tell
// what they read twice.
type FileRead struct {
	Client, Server netip.AddrPort // of the connection that it was seen on first
	Session        uint64
	ID             [16]byte // zero: steps of this session whose file is not known
	Account        string   // that opened the session, "" when that was not seen, and for Kerberos and nobody
	Domain         string   // likewise
	Share, Name    string   // "" when the opening was not seen
	Size           int64    // when it was opened; -1 when that is not known
	Read           int64    // distinct bytes that passed, as far as their place is known: the sum of Ranges
	Passed         int64    // bytes that passed, repeats included
	Written        int64    // likewise
	Ranges         []Range  // that were read, in order, not touching each other
	Capped         bool     // there were more of them than are kept: Read is a lower bound
	Locks          int
	Opened, Closed time.Time // zero when it was not seen
	Connections    int       // of the client that its steps came on
	Open           bool      // no close was seen
	At             chaperone.Mark
}

// Files joins the steps of open files, which may come on several connections of one session. It is not safe for
// concurrent use.
type Files struct {
	emit     func(FileRead)
	open     map[fileKey]*list.Element // of *openFile
	idle     *list.List                // longest idle first
	ranges   int                       // of all open files
	sessions map[sessionKey]wire.Logon
	oldest   []sessionKey
}

// fileKey names an open file. A server may be reached on several ports.
type fileKey struct {
	sessionKey
	id [16]byte
}

type sessionKey struct {
	server  netip.Addr
	session uint64
}

type openFile struct {
	FileRead
	key      fileKey
	channels []netip.AddrPort
	last     time.Time
}

// NewFiles makes one that gives each file to emit when it is closed.
func NewFiles(emit func(FileRead)) *Files {
	return &Files{emit: emit, open: map[fileKey]*list.Element{}, idle: list.New(), sessions: map[sessionKey]wire.Logon{}}
}

// Logon takes the answer to a session setup: whose the files of that session are from now on.
func (fs *Files) Logon(server netip.AddrPort, l wire.Logon) {
	if l.Status != 0 {
		return
	}
	k := sessionKey{server.Addr(), l.Session}
	if _, known := fs.sessions[k]; !known {
		if fs.oldest = append(fs.oldest, k); len(fs.oldest) > maxSessions {
			delete(fs.sessions, fs.oldest[0])
			fs.oldest = slices.Delete(fs.oldest, 0, 1)
		}
	}
	fs.sessions[k] = l
}

// Note takes the next step of an open file.
func (fs *Files) Note(client, server netip.AddrPort, use wire.FileUse, at chaperone.Mark) {
	k := fileKey{sessionKey{server.Addr(), use.Session}, use.ID}
	e := fs.open[k]
	switch {
	case use.Step == wire.FileOpened && use.Status >= statusFailed:
		return
	case use.Step == wire.FileOpened && e != nil && !early(e.Value.(*openFile), at.Time):
		fs.tell(e) // its close was not seen, and the server gave its number to another
		e = nil
	case use.Step == wire.FileClosed && e == nil:
		return // nothing was seen of it
	}
	if e == nil {
		e = fs.start(k, client, server, at)
	}
	f := e.Value.(*openFile)
	fs.idle.MoveToBack(e)
	f.last = at.Time
	if !slices.Contains(f.channels, client) && len(f.channels) < maxChannels {
		f.channels = append(f.channels, client)
	}
	switch use.Step {
	case wire.FileOpened:
		f.Share, f.Name, f.Size, f.Opened = use.Share, use.Name, use.Size, at.Time
	case wire.FileRead:
		f.Passed += use.Length
		fs.ranges -= len(f.Ranges)
		f.add(use.Offset, use.Length)
		fs.ranges += len(f.Ranges)
	case wire.FileWritten:
		f.Written += use.Length
	case wire.FileLocked:
		f.Locks++
	case wire.FileClosed:
		f.Closed, f.Open = at.Time, false
		fs.tell(e)
	}
	for len(fs.open) > maxFiles || fs.ranges > maxAllRanges {
		fs.tell(fs.idle.Front())
	}
}

// Close tells the files that are still open, longest idle first.
func (fs *Files) Close() {
	for fs.idle.Len() > 0 {
		fs.tell(fs.idle.Front())
	}
}

// early reports whether the steps that are known of a file came before its opening only because they came on another
// connection.
func early(f *openFile, now time.Time) bool {
	return f.Opened.IsZero() && now.Sub(f.last).Abs() <= fileSlack
}

func (fs *Files) start(k fileKey, client, server netip.AddrPort, at chaperone.Mark) *list.Element {
	l := fs.sessions[k.sessionKey]
	e := fs.idle.PushBack(&openFile{key: k, FileRead: FileRead{Client: client, Server: server, Session: k.session, ID: k.id,
		Account: l.Account, Domain: l.Domain, Size: -1, Open: true, At: at}})
	fs.open[k] = e
	return e
}

// tell ends a file.
func (fs *Files) tell(e *list.Element) {
	f := fs.idle.Remove(e).(*openFile)
	delete(fs.open, f.key)
	fs.ranges -= len(f.Ranges)
	f.Connections = len(f.channels)
	for _, r := range f.Ranges {
		f.Read += r.To - r.From
	}
	fs.emit(f.FileRead)
}

// add merges a piece that was read into the others.
func (f *openFile) add(offset, length int64) {
	if offset == unknownOffset || length <= 0 || f.ID == [16]byte{} {
		return
	}
	piece := Range{offset, offset + length}
	if piece.To < piece.From {
		return // beyond what any file holds
	}
	first, _ := slices.BinarySearchFunc(f.Ranges, piece.From, func(r Range, from int64) int { // the first that it touches
		if r.To < from {
			return -1
		}
		return 1
	})
	last := first
	for last < len(f.Ranges) && f.Ranges[last].From <= piece.To {
		piece = Range{min(piece.From, f.Ranges[last].From), max(piece.To, f.Ranges[last].To)}
		last++
	}
	if first == last && len(f.Ranges) >= maxRanges {
		f.Capped = true
		return
	}
	f.Ranges = slices.Replace(f.Ranges, first, last, piece)
}
