// Package disk keeps a ledger on disk: the record in segments, the index derived from it, and the seal over both. It is
// where the parts of the ledger meet; the formats are theirs.
//
// A batch goes this way: Record queues it; one of the waiting writers leads a group (commit.go), gives numbers and encodes
// (intake.go), writes and waits for the disk, and answers. Then a goroutine carries the events into the index (pending.go),
// and another signs a checkpoint twice a second and shows it to the witnesses (sealer.go). Questions (ask.go, history.go) take
// a state between two groups.
package disk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger"
	"chaperone/ledger/durable"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/lock"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// Options say how a ledger is opened.
type Options struct {
	Dir      string
	Keys     string                  // folder of the keys; "" for the usual one
	ReadOnly bool                    // for asking: needs data.key alone, makes nothing, and many may do so at a time
	Live     bool                    // with ReadOnly: also beside a process that records, and keeping none out; the answer is as of the last checkpoint
	Existing bool                    // do not make one where there is none
	Clock    bool                    // refuse a clock that is behind what was recorded last
	Reserve  int64                   // bytes kept free, so that refusals are still recorded when the disk is full; 0: as many as before, less: none
	Now      func() time.Time        // nil for time.Now
	Warn     func(text string)       // one line for the operator, without patient data; may be nil
	Progress func(done, total int64) // bytes, while the index is made anew; may be nil
	Client   *http.Client            // for witnesses; nil for a usual one

	reindex bool                                                   // make the index anew
	usage   func(dir string) (percent int, free int64, known bool) // of its disk; nil for what the system says
}

// Ledger is an open ledger. It implements ledger.Store.
type Ledger struct {
	dir      string
	keysDir  string
	readOnly bool
	now      func() time.Time
	warn     func(string)
	progress func(done, total int64)
	client   *http.Client
	usage    func(dir string) (percent int, free int64, known bool)

	lock   *os.File
	undo   func() // takes back the making of a ledger; nil when there is one
	apart  string // folder of an index that is made for one opening (Live), else ""
	later  uint64 // batches on record that such an opening leaves out
	meta   keys.Meta
	data   keys.Data
	names  *keys.Names
	signer note.Signer // nil when open for asking without a signing key
	verify note.Verifier

	keys          keyring
	dictionaryKey *record.Master

	queue   sync.Mutex
	waiting []*request
	leading bool

	commit     sync.Mutex // held while a group becomes durable, and while a question takes its state. Guards what follows
	closed     bool
	unfinished bool // a purge has left rows in the index: it is made anew
	fenced     error
	writer     *record.Writer
	segmentDay ledger.Day
	recorded   map[ledger.Day]bool // days that have entries
	before     *Closed             // what the last close said, when it was opened; nil after a crash
	stuck      []*frame
	late       uint64 // disclosures of frames that were written after they had been refused, until a note says so
	batches    uint64
	events     uint64 // disclosures, also in frames that are stuck
	defined    counts // what the frames up to the last define, also those that are stuck
	end        record.Position
	scratch    []byte
	builder    *record.Builder // with sealed, of the last frame: the next uses their memory again
	sealed     []byte
	reserve    reserve
	space      fullness // the opening's, then the sealer's

	durable    atomic.Uint64 // batches
	dictionary *dictionary
	ahead      [][]byte // entries that define what is in the dictionary and in no frame, under its lock: see Resolve
	closing    bool     // nothing more is defined ahead; under the dictionary's lock
	pending    pending
	index      *index.Index
	files      segments
	log        *seal.Log
	witnesses  seal.Policy

	toldMu sync.Mutex
	told   map[string]string // troubles that the operator knows of

	stop   func()
	done   sync.WaitGroup
	asking sync.WaitGroup // questions that are being answered
}

// Folders and files of a ledger; see docs/ledger.md.
const (
	recordFolder = record.Folder
	indexFolder  = "index"
	logFolder    = "log"
	lockFile     = lock.File
	closedFile   = "closed"
	reserveFile  = "reserve"
)

// Open opens a ledger, and makes one, with its keys, where there is none.
//
// Errors: no key, a wrong key, keys in the ledger's own folder (asking only warns), another version, another process that has it open (lock.ErrHeld), damage that a crash does not
// explain, a record shorter than what was signed. Each is one line that says what to do, and nothing was touched.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{
		dir: o.Dir, keysDir: o.Keys, readOnly: o.ReadOnly, now: o.Now, warn: o.Warn, progress: o.Progress, client: o.Client, usage: o.usage,
		dictionary: newDictionary(), pending: newPending(), told: map[string]string{}, recorded: map[ledger.Day]bool{}, stop: func() {},
	}
	if l.keysDir == "" {
		l.keysDir = keys.DefaultFolder()
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.warn == nil {
		l.warn = func(string) {}
	}
	if l.usage == nil {
		l.usage = used
	}
	if l.client == nil {
		l.client = &http.Client{Timeout: 10 * time.Second}
	}
	if err := l.open(ctx, o); err != nil {
		l.abandon()
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, o Options) error {
	before, folders := namesIn(l.dir), missing(l.dir)
	if err := l.keysApart(); err != nil {
		return err
	}
	made, err := l.describe(o)
	if err != nil {
		return err
	}
	live := o.Live && o.ReadOnly // takes no lock: see beside
	if !live {
		if l.lock, err = acquire(l.dir, l.readOnly); err != nil {
			return err
		}
	}
	if made {
		if _, err := os.Stat(filepath.Join(l.dir, keys.MetaFile)); err == nil { // another process made it meanwhile
			made = false
		}
	}
	if made {
		l.undo = func() { unmake(l.dir, before, folders) }
		if err := l.make(ctx); err != nil {
			return err
		}
	}
	if err := l.unlockKeys(); err != nil {
		return err
	}
	signer := l.signer
	if l.readOnly {
		signer = nil // nothing is mended while asking
	}
	if l.log, err = seal.Open(l.dir, l.verify, signer); err != nil {
		return err
	}
	if l.witnesses, err = seal.ReadWitnesses(l.dir); err != nil {
		return err
	}
	l.files.dir = filepath.Join(l.dir, recordFolder)
	if o.Clock && !o.ReadOnly {
		if err := l.clock(); err != nil {
			return err
		}
	}
	if live {
		return l.beside(ctx)
	}
	if o.reindex {
		if err := l.readable(); err != nil {
			return err
		}
		if err := l.goesAsFar(); err != nil {
			return err
		}
		if err := l.unclean(); err != nil {
			return err
		}
	}
	if l.readOnly {
		return l.load(ctx)
	}
	if err := l.reserve.look(filepath.Join(l.dir, reserveFile)); err != nil {
		return err
	}
	if err := l.loadWithRoom(func() error { return l.load(ctx) }); err != nil {
		return err
	}
	if l.log.Latest() == nil { // a branch that was restored, or a ledger of before an empty one was signed
		l.warnOnce("seal", l.sign(ctx))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.undo = nil
	if err := l.reserve.open(filepath.Join(l.dir, reserveFile), o.Reserve); err != nil {
		l.warn(fmt.Sprintf("not as much space is kept for when the disk is full as was asked for: %v", err))
	}
	l.look()
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.carryOver(running) })
	l.done.Go(func() { l.sealer(running) })
	return nil
}

// unlockKeys reads the description and the keys, and checks that they belong together.
func (l *Ledger) unlockKeys() error {
	var err error
	if l.meta, err = keys.ReadMeta(l.dir); err != nil {
		return err
	}
	if l.data, err = keys.LoadData(l.keysDir); err != nil {
		return err
	}
	seed, err := keys.LoadSigning(l.keysDir)
	signing := &seed
	if errors.Is(err, keys.ErrNoKey) && l.readOnly {
		signing = nil
	} else if err != nil {
		return err
	}
	if err := l.meta.Check(l.keysDir, &l.data, signing, nil); err != nil {
		return err
	}
	if signing != nil {
		if l.signer, err = keys.Signer(seed, l.meta.Origin); err != nil {
			return err
		}
	}
	if l.verify, err = keys.ParseVerifier(l.meta.Verifier); err != nil {
		return err
	}
	l.names = l.data.Patients(l.meta.ID)
	l.keys.days = keys.OpenDays(l.dir, l.data, l.meta.ID)
	l.dictionaryKey = record.NewMaster(l.data.Dictionary())
	return nil
}

// makeDay makes sure that a day has a key.
func (l *Ledger) makeDay(day ledger.Day) error {
	_, err := l.keys.master(day)
	if !errors.Is(err, keys.ErrNoKey) {
		return err
	}
	if l.recorded[day] { // a new key would not open what is on record
		return err
	}
	if _, err = l.keys.days.Make(day); err != nil {
		if durable.NoRoom(err) { // nothing of it is used
			return fmt.Errorf("%w: %v", ledger.ErrFull, err)
		}
		return l.fence(err)
	}
	return nil
}

// purged reports whether a day was purged. Only the leader asks.
func (l *Ledger) purged(day ledger.Day) bool { return l.dictionary.purged(day) }
