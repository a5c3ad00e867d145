package disk

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/seal"
	"chaperone/patient"
)

// Status is what an operator wants to know of a ledger.
type Status struct {
	ID          [16]byte
	Origin      string // its name in the log and at witnesses
	Verifier    string // its public key: to be kept outside the ledger
	Made        time.Time
	Keys        string // the folder of the keys; what recognises each of them follows
	DataKey     keys.ID
	SigningKey  keys.ID
	TokenKey    keys.ID
	Disclosures uint64
	Identifiers int // of patients, as numbers were given out
	Days        []ledger.Day
	Purged      []ledger.Day
	RecordBytes int64
	IndexBytes  int64
	SealBytes   int64
	Reserve     int64 // bytes kept for when the disk is full
	DiskUsed    int   // of its disk, in per cent; -1 when it cannot be known
	DiskFree    int64 // bytes
	Seal        ledger.Seal
	Witnesses   []seal.Witness
}

// Status gives the numbers as of now.
func (l *Ledger) Status() (Status, error) {
	l.commit.Lock()
	defer l.commit.Unlock()
	if l.closed {
		return Status{}, ledger.ErrClosed
	}
	l.dictionary.RLock()
	defer l.dictionary.RUnlock()
	s := Status{
		ID: l.meta.ID, Origin: l.meta.Origin, Verifier: l.meta.Verifier, Made: l.meta.Made, Disclosures: l.events,
		Keys: l.keysDir, DataKey: l.meta.DataKey, SigningKey: l.meta.SigningKey, TokenKey: l.meta.TokenKey,
		Identifiers: l.dictionary.people.Len(), Seal: l.Seal(), Witnesses: l.witnesses.Witnesses, DiskUsed: -1,
	}
	for day := range l.dictionary.gone {
		s.Purged = append(s.Purged, day)
	}
	slices.Sort(s.Purged)
	days, err := l.keys.days.List()
	if err != nil {
		return Status{}, err
	}
	s.Days = slices.DeleteFunc(days, l.dictionary.purged) // a key of one may have come back
	for _, part := range []struct {
		size *int64
		name string
	}{
		{&s.RecordBytes, recordFolder}, {&s.IndexBytes, indexFolder}, {&s.IndexBytes, peopleFile}, {&s.SealBytes, logFolder}, {&s.Reserve, reserveFile},
	} {
		n, err := sizeOf(filepath.Join(l.dir, part.name))
		if err != nil {
			return Status{}, err
		}
		*part.size += n
	}
	s.Reserve -= s.Reserve % reservePiece // its head keeps nothing free
	if l.writer != nil {
		s.RecordBytes -= l.writer.Blank()
	}
	if percent, free, ok := l.usage(l.dir); ok {
		s.DiskUsed, s.DiskFree = percent, free
	}
	return s, nil
}

// Filling says what to do when the disk fills; "" while it has room.
func (s *Status) Filling() string {
	if levelOf(s.DiskUsed) == 0 {
		return ""
	}
	return whenFull
}

// sizeOf gives the bytes of a file, or of all files in a folder; 0 for what is not there.
func sizeOf(path string) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a file of the index that is no longer needed
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		} else if os.IsNotExist(err) {
			err = nil
		}
		return err
	})
	return total, err
}

// Tokens reads the token key and checks that it is the one that this ledger's patients were recorded with.
func (l *Ledger) Tokens() (*patient.Tokenizer, error) {
	t, err := keys.LoadToken(l.keysDir)
	if err != nil {
		return nil, err
	}
	return t, l.meta.Check(l.keysDir, nil, nil, t)
}

// Reindex makes everything that is derived anew from the record.
func Reindex(ctx context.Context, o Options) error {
	o.ReadOnly, o.Existing = false, true
	o.reindex = true
	l, err := Open(ctx, o)
	if err != nil {
		return err
	}
	return l.Close()
}
