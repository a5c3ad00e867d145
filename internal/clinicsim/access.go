package clinicsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const jetPage = 4096

// database is the clinic's Access file, which lies on the file server.
type database struct {
	share, name string // \\FILES1\praxis and PATIENTEN.MDB
	bytes       []byte
}

// newDatabase makes one: the head is that of Jet, the pages are invented.
func newDatabase(r *rand.Rand) *database {
	db := &database{share: `\\` + files.Name + `\` + pick(r, "praxis", "office", "data"), name: pick(r, "PATIENTEN.MDB", "PATIENTS.MDB", "KARTEI.MDB", "PRACTICE.ACCDB")}
	pages := 75 + r.IntN(7)
	db.bytes = make([]byte, 0, pages*jetPage)
	for n := range pages {
		page := random(r, jetPage)
		for i := range page[:2048] { // half of a page is text
			page[i] = 'A' + page[i]%26
		}
		page[0], page[1] = 1, 1 // a page of data
		if n%16 == 2 {
			page[0] = 2 // a table's definition
		}
		binary.LittleEndian.PutUint32(page[4:], 2)
		db.bytes = append(db.bytes, page...)
	}
	head := db.bytes[:20]
	copy(head, "\x00\x01\x00\x00Standard Jet DB\x00")
	version := uint32(1)
	if strings.HasSuffix(db.name, ".ACCDB") {
		copy(head, "\x00\x01\x00\x00Standard ACE DB\x00")
		version = 2
	}
	binary.LittleEndian.PutUint32(db.bytes[20:], version)
	return db
}

func (db *database) path() string { return db.share + `\` + db.name }

// lockFile gives the name of the file that stands beside it while somebody uses it.
func (db *database) lockFile() string {
	base, ending, _ := strings.Cut(db.name, ".")
	if ending == "ACCDB" {
		return base + ".laccdb"
	}
	return base + ".ldb"
}

// Rights that a client asks for (MS-SMB2 section 2.2.13.1).
const (
	toRead  = 0x00120089
	toWrite = 0x0012019F
)

// mount opens a connection, a session and a tree, and the server writes the logon into its log.
func (w *week) mount(r *rand.Rand, at time.Duration, client, server Host, account, path string) *share {
	s := w.shares(r, at, client, server)
	s.setup(account, true, 0)
	s.logonID = w.logs.logon(server, s.now, account, logonNetwork, s.origin(client.Name))
	s.account = account
	s.connect(path)
	return s
}

// unmount ends it all.
func (w *week) unmount(s *share) {
	s.hangUp()
	w.logs.logoff(s.server, s.now, s.account, s.logonID, logonNetwork)
}

// use is what Access does while somebody looks patients up: a lock file beside the database, a few pages at a time,
// locks far behind the end of the file.
func (db *database) use(s *share, r *rand.Rand, lookups int, wait func(time.Duration)) {
	f := s.open(db.name, int64(len(db.bytes)), toWrite, 1)
	s.read(f, 0, db.bytes[:jetPage])
	beside := s.open(db.lockFile(), 64, toWrite, 3)
	s.read(beside, 0, []byte(fmt.Sprintf("%-32s%-32s", files.Name, "Admin")))
	s.write(beside, 64, []byte(fmt.Sprintf("%-32s%-32s", s.client.Name, "Admin")))
	s.lock(beside, 0x10000001+uint64(r.IntN(200)), 1, false)
	for range lookups {
		s.at(s.now + time.Duration(5+r.IntN(90))*time.Second)
		wait(s.now)
		slot := 0x10000000 + uint64(r.IntN(1<<16))
		s.lock(f, slot, 1, false)
		for range 1 + r.IntN(2) {
			page := int64(1+r.IntN(len(db.bytes)/jetPage-1)) * jetPage
			s.read(f, page, db.bytes[page:page+jetPage])
		}
		s.lock(f, slot, 1, true)
	}
	s.shut(beside)
	s.shut(f)
}

// copy reads all of it from the beginning to the end, without a lock. With a second connection of the session, the
// two take turns.
func (db *database) copy(step int, wait func(time.Duration), connections ...*share) {
	f := connections[0].open(db.name, int64(len(db.bytes)), toRead, 1)
	now := connections[0].now
	for at := 0; at < len(db.bytes); at += step {
		s := connections[at/step%len(connections)]
		s.at(now)
		s.read(f, int64(at), db.bytes[at:min(at+step, len(db.bytes))])
		now = s.now
		wait(now)
	}
	connections[0].at(now)
	connections[0].shut(f)
}
