package approval

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Register knows which approvals are in force: those that a folder holds, by the clock of its caller. An approval is in force
// once its begin is on record (Admit), and not longer than it says from when it was first seen, whatever is done to the
// machine's clock or to the file. It is safe for concurrent use.
type Register struct {
	dir string

	mu   sync.Mutex
	live map[string]*entry // by id: seen, and not settled
	over map[string]bool   // ids that are never again
	past map[string]Past   // begun before this start, and not over
	told map[string]string // by file: what was reported of it
}

// entry is one approval that was seen.
type entry struct {
	Approval
	digest   string
	begun    time.Time // zero until it is admitted
	until    time.Time
	overAt   time.Time // zero while it may be used
	why      string
	lost     bool // its file is gone, or does not say any more what it said
	lapsed   bool // it is over because its time is, and for no other reason
	restored bool
}

// Change is an approval that began or is over.
type Change struct {
	Approval
	At       time.Time
	Why      string // it is over; "" when it begins
	Restored bool   // it began before this start
	Lost     bool   // its file is gone, or does not say any more what it said
}

// Trouble is a file that is not good, or the folder. It is reported once.
type Trouble struct {
	File string
	Err  error
}

// NewRegister begins with what the record says.
func NewRegister(dir string, past []Past) *Register {
	r := &Register{dir: dir, live: map[string]*entry{}, over: map[string]bool{}, past: map[string]Past{}, told: map[string]string{}}
	for _, p := range past {
		if p.Over {
			r.over[p.ID] = true
			delete(r.past, p.ID)
		} else if !r.over[p.ID] {
			r.past[p.ID] = p
		}
	}
	return r
}

// mostFiles bounds what is looked at; those beyond it permit nothing.
const mostFiles = 10_000

// ahead is how far the clock of whoever approved may be before the guard's.
const ahead = 2 * time.Minute

// Look reads the folder. It gives what begins, again and again until Admit, and what is over, until Settle. While the folder
// cannot be read nothing is in force.
func (r *Register) Look(now time.Time) (begin, over []Change, troubles []Trouble) {
	names, err := r.names()
	r.mu.Lock()
	defer r.mu.Unlock()
	report := func(file string, err error) {
		if text := err.Error(); r.told[file] != text {
			r.told[file] = text
			troubles = append(troubles, Trouble{file, err})
		}
	}
	if err != nil {
		report("", err)
		return nil, r.ended(now), troubles
	}
	delete(r.told, "")
	there := map[string]bool{}
	for _, name := range names {
		id := strings.TrimSuffix(name, Extension)
		if r.over[id] {
			continue
		}
		a, err := Read(r.dir, name)
		if err == nil {
			err = r.see(&a, now)
		}
		if err != nil {
			report(name, err)
			continue
		}
		delete(r.told, name)
		there[id] = true
	}
	for id, e := range r.live {
		e.lost = !there[id]
		switch {
		case e.lost:
			e.end(now, "its file is gone, or not good any more")
			if e.begun.IsZero() {
				delete(r.live, id)
			}
		case e.begun.IsZero() && !e.overAt.IsZero(): // ended before it was on record: it never was
			delete(r.live, id)
			r.over[id] = true
		case e.begun.IsZero():
			begin = append(begin, Change{Approval: e.Approval, At: now})
		}
	}
	r.vanished(now)
	return begin, r.ended(now), troubles
}

// names lists the files that may be approvals.
func (r *Register) names() ([]string, error) {
	info, err := os.Stat(r.dir)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, errors.New("approval: others may write to the folder: chmod 700; until then nothing in it holds")
	}
	f, err := os.Open(r.dir)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	defer f.Close() // it was only read
	names, err := f.Readdirnames(mostFiles)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("approval: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, Extension) || strings.HasPrefix(name, ".") })
	slices.Sort(names)
	return names, nil
}

// see takes a good file.
func (r *Register) see(a *Approval, now time.Time) error {
	e := r.live[a.ID]
	past, began := r.past[a.ID]
	switch digest := a.digest(); {
	case e != nil && e.digest != digest:
		e.end(now, "its file was changed")
		return errors.New("approval: the file was changed; what it said is over")
	case e != nil:
	case began && !past.Says(a):
		return errors.New("approval: the file was changed since it began")
	case !began && (!now.Before(a.Until) || !a.Revoked.IsZero()): // it never was, for this guard
		r.over[a.ID] = true
		return nil
	case !began && a.From.After(now.Add(ahead)):
		return errors.New("approval: by the guard's clock it has not begun yet")
	default:
		e = &entry{Approval: *a, digest: digest}
		r.live[a.ID] = e
		if began {
			e.begin(past.Begun)
			e.restored = true
			delete(r.past, a.ID)
			if now.Add(ahead).Before(past.Begun) {
				e.end(now, "the machine's clock was put back before its begin")
			}
		}
	}
	if e != nil && !a.Revoked.IsZero() {
		e.Revoked = a.Revoked
		e.end(now, "it was ended")
	}
	return nil
}

// vanished: what began before this start and has no good file now is over.
func (r *Register) vanished(now time.Time) {
	for id, p := range r.past {
		e := &entry{Approval: Approval{ID: id, Kind: p.Kind, Party: p.Party}, begun: p.Begun, until: now, restored: true, lost: true}
		e.end(now, "its file is gone, or not good any more")
		r.live[id] = e
		delete(r.past, id)
	}
}

func (e *entry) begin(at time.Time) {
	e.begun, e.until = at, e.Until
	if own := at.Add(e.Until.Sub(e.From)); own.Before(e.until) {
		e.until = own
	}
}

func (e *entry) end(at time.Time, why string) {
	e.lapsed = false
	if e.overAt.IsZero() {
		e.overAt, e.why = at, why
	}
}

// holds reports whether an approval is in force.
func (e *entry) holds(now time.Time) bool {
	return !e.begun.IsZero() && e.overAt.IsZero() && now.Before(e.until)
}

// ended gives what is over and not settled.
func (r *Register) ended(now time.Time) (list []Change) {
	for _, e := range r.live {
		if !e.begun.IsZero() && e.overAt.IsZero() && !now.Before(e.until) {
			e.end(e.until, "its time is over")
			e.lapsed = true
		}
		if !e.begun.IsZero() && !e.overAt.IsZero() {
			list = append(list, Change{e.Approval, e.overAt, e.why, e.restored, e.lost})
		}
	}
	return list
}

// Admit puts an approval in force: its begin is on record.
func (r *Register) Admit(id string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.live[id]; e != nil && e.begun.IsZero() && e.overAt.IsZero() {
		e.begin(at)
	}
}

// Settle forgets an approval that is over: its end is on record. Its id never holds again.
func (r *Register) Settle(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, id)
	r.over[id] = true
}

// InForce gives the approvals of a party that hold now, those that begin first ahead.
func (r *Register) InForce(party string, now time.Time) (list []Approval) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told[""] != "" {
		return nil
	}
	for _, e := range r.live {
		if e.Party == party && e.holds(now) {
			list = append(list, e.Approval)
		}
	}
	slices.SortFunc(list, func(a, b Approval) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// Held reports whether an approval was in force at a time, and did not end since but by its own time: what began then may come to its end.
// It is not so any more when it was settled.
func (r *Register) Held(id string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.live[id]
	return e != nil && r.told[""] == "" && !e.begun.IsZero() && (e.overAt.IsZero() || e.lapsed) && at.Before(e.until)
}

// All gives what holds, of every party.
func (r *Register) All(now time.Time) (list []Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.live {
		if e.holds(now) {
			list = append(list, Change{Approval: e.Approval, At: e.begun, Restored: e.restored})
		}
	}
	return list
}
