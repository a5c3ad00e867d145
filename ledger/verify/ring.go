package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/page"
)

// ring holds the keys that open a record. It is for one goroutine, but for missing.
type ring struct {
	days       *keys.Days
	there      map[ledger.Day]bool // days that have a key's file
	back       map[ledger.Day]bool // of those the purged ones, as far as they are known: see cameBack, kept
	dictionary *record.Master      // nil: nothing is opened
	masters    map[ledger.Day]*record.Master
	bad        map[ledger.Day]error // days whose key cannot be used
}

func openRing(dir string, id [16]byte, data *keys.Data) (*ring, error) {
	g := &ring{there: map[ledger.Day]bool{}, masters: map[ledger.Day]*record.Master{}, bad: map[ledger.Day]error{}}
	if data == nil {
		data = new(keys.Data) // it lists the files and opens none
	} else {
		g.dictionary = record.NewMaster(data.Dictionary())
	}
	g.days = keys.OpenDays(dir, *data, id)
	list, err := g.days.List()
	for _, day := range list {
		g.there[day] = true
	}
	return g, err
}

// missing reports whether a day has no key any more, or one that came back after its purge. Whether that is right, its purge has to say.
// It may be called while other methods are.
func (g *ring) missing(day ledger.Day) bool { return !g.there[day] || g.back[day] }

// master gives the cipher of a day that is not missing; nil when its key cannot be used.
func (g *ring) master(day ledger.Day) *record.Master {
	if m := g.masters[day]; m != nil || g.bad[day] != nil {
		return m
	}
	key, err := g.days.Key(day)
	if err != nil {
		g.bad[day] = err
		return nil
	}
	if len(g.masters) >= mastersKept {
		clear(g.masters)
	}
	m := record.NewMaster(key)
	g.masters[day] = m
	return m
}

// mastersKept bounds the ciphers in memory: a record goes through few days at a time.
const mastersKept = 4096

// What a day's key file is made of: see package keys.
const (
	keyFileSize = 8192
	keyCopySize = 104
)

// keyFiles checks every day's key, and that days without one were purged.
func (r *run) keyFiles() {
	var days []ledger.Day
	for day := range r.ring.there {
		days = append(days, day)
	}
	slices.Sort(days)
	for _, day := range days {
		if r.purges[day] { // it should not be there, whatever it is: see below
			continue
		}
		name := keyName(day)
		if at, what := keyFlaw(filepath.Join(r.Dir, filepath.FromSlash(name))); what != "" {
			r.report.problem(name, at, -1, "%s", what)
		} else if r.data != nil && r.ring.master(day) == nil {
			r.report.whole(name, "%v", r.ring.bad[day])
		}
	}
	if r.data == nil {
		return
	}
	days = days[:0]
	for day := range r.days {
		days = append(days, day)
	}
	for day := range r.purges {
		if r.days[day] == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	for _, day := range days {
		d := r.days[day]
		switch purged := r.purges[day]; {
		case purged && r.ring.there[day]:
			r.report.Kept = append(r.report.Kept, day)
		case purged && d != nil:
			r.report.Purged = append(r.report.Purged, day)
		case d != nil && r.ring.missing(day) && !r.stopped:
			r.report.problem(keyName(day), -1, int64(d.first), "the key of a day with entries is missing, and no purge of it is on record")
		}
	}
	r.kept()
}

// kept tells of purged days whose keys are there, all in one problem. Nothing is opened with them any more.
func (r *run) kept() {
	days := r.report.Kept
	if len(days) == 0 {
		return
	}
	r.ring.back = map[ledger.Day]bool{}
	for _, day := range days {
		r.ring.back[day] = true
	}
	what, them := "the purge of this day is on record and its key is there", "it"
	if more := len(days) - 1; more > 0 {
		what, them = what+fmt.Sprintf(", and so it is with %s until %s", page.Count(more, "more day", "more days"), days[more]), "them"
	}
	r.report.add(Problem{Kept, keyName(days[0]), -1, -1, what + ": open the ledger for recording once, or say ledger reindex, which destroys " + them})
}

// keyFlaw compares the two copies in a key's file. They are made with one write: one that differs was changed or is torn.
func keyFlaw(path string) (offset int64, what string) {
	info, err := os.Stat(path)
	if err == nil && info.Size() != keyFileSize {
		return min(info.Size(), keyFileSize), "the file does not have the size of a day's key"
	}
	b, err := os.ReadFile(path)
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return -1, "it cannot be read: " + disk.Err.Error()
	}
	if err != nil || len(b) != keyFileSize {
		return -1, "it cannot be read"
	}
	one, two := b[:keyFileSize/2], b[keyFileSize/2:]
	for i := range one {
		if one[i] != two[i] {
			return int64(i), "the two copies of the key are not the same: one of them was changed, here or 4096 bytes further on"
		}
	}
	if rest := bytes.TrimLeft(one[keyCopySize:], "\x00"); len(rest) > 0 {
		return int64(len(one) - len(rest)), "something was written behind the key"
	}
	return 0, ""
}

func keyName(day ledger.Day) string {
	return keys.DaysFolder + "/" + keys.DayFile(day)
}
