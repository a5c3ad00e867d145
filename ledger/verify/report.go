package verify

import (
	"fmt"
	"strings"
	"time"

	"chaperone/ledger"
	"chaperone/page"
)

// maxProblems bounds the list of problems of each kind: where one thing was changed, much else no longer fits. Of each, for what one
// kind means hangs on whether there is another.
const maxProblems = 100

// Kind says what sort of problem one is.
type Kind uint8

// Kinds of problems.
const (
	Changed Kind = iota // something is not what was recorded, signed or cosigned
	Kept                // the key of a day is there that was purged
	Unseen              // too few witnesses saw what was signed
	Ahead               // a witness has seen more than there is, and nobody says that this is a backup
	Forked              // a witness has seen another history under this ledger's name and key
	Unmade              // it never became a ledger, and holds nothing of one
)

// Problem is something that is not as it was recorded, signed or witnessed.
type Problem struct {
	Kind   Kind
	File   string // in the ledger's folder, with slashes
	Offset int64  // in the file; -1 when it is about the file as a whole
	Batch  int64  // -1 when it is not about one
	What   string
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Offset >= 0 {
		fmt.Fprintf(&b, ", byte %d", p.Offset)
	}
	if p.Batch >= 0 {
		fmt.Fprintf(&b, ", batch %d", p.Batch)
	}
	return b.String() + ": " + p.What
}

// Report is what a ledger was found to be.
type Report struct {
	Origin   string // of the ledger, its name in the log and at witnesses
	Made     time.Time
	Verifier string // the public key that its signatures were checked with
	Foreign  bool   // another key was given from outside
	Outside  bool   // whether that key came from outside: else the ledger only agrees with itself

	Problems []Problem // the first bad file is the first
	More     int       // problems beyond those
	Warnings []string  // what is no proof of tampering and should be known

	Batches     uint64
	Disclosures uint64
	Numbers     uint64 // identifiers of patients; known only when the entries were opened
	Bytes       int64  // of the record
	Days        int    // with entries, purged ones too
	Purged      []ledger.Day
	Kept        []ledger.Day // purged as well, but their keys are there
	First, Last time.Time    // when the first and the last batch were written

	Opened    bool // every entry was opened; without data.key only what needs no key was checked
	Closed    bool // the last close was clean, and says which files were derived
	Deep      bool // it was asked to compare the index with the record
	Compared  bool // that was done
	Recounted bool // and the index says what the record says

	Sealed    uint64    // batches under the signed checkpoint
	Witnessed uint64    // batches that enough witnesses have seen
	Since     time.Time // when the first batch was written that they have not; zero when they have seen all
	Needed    int       // witnesses that must have seen a batch; 0: nobody is asked
	Witnesses []Witness
	Backup    bool   // it looks as a backup does
	Known     uint64 // the most batches that a witness says it has seen, when it has seen more than there are; else 0
	Answered  int    // witnesses that were asked now and said what they have seen

	found [Unmade + 1]int // problems of each kind, also those beyond the list
}

// Witness is what one witness has seen of the log.
type Witness struct {
	Name  string
	Size  uint64    // batches; 0 when it did not say
	Known uint64    // the batches that it says it has seen, when those are more than there are; else 0
	Time  time.Time // of its latest cosignature that is known here; zero without one
	Said  string    // why it did not cosign now; "" when it did, or was not asked
}

// Whole reports whether nothing was found to be wrong.
func (r *Report) Whole() bool { return len(r.Problems) == 0 }

// Counts says in one line whether answers, which are taken from the index, are what the record says.
func (r *Report) Counts() string {
	switch {
	case r.Recounted:
		return "its counts were compared with the record, and are what it says"
	case !r.Closed:
		return "it is made anew from the record before anything is answered"
	case r.Compared:
		return "its counts, which are the answers, were compared with the record: what came of it is told above"
	case r.Deep:
		return "its counts, which are the answers, were not compared with the record, as is told below"
	}
	return "its counts, which are the answers, were not compared with the record: --deep does"
}

// Vouched says in sentences who vouches for the ledger, and for how much of it.
func (r *Report) Vouched() []string {
	var says []string
	switch {
	case r.Outside:
		says = append(says, "The signatures are of the key that was given from outside.")
	case r.Foreign:
		says = append(says, "The verifier that was given is not this ledger's: what is signed here is signed with a key that only the ledger itself names.")
	default:
		says = append(says, "Self-declared: the signing key is known from the ledger itself only. Give the verifier that was kept outside to be sure that it is the same ledger.")
	}
	if r.Needed == 0 {
		return append(says, "Nobody outside vouches for it: no witness is asked. Who has this host and its keys can rewrite the ledger as a whole, and it does not show here.")
	}
	var names []string
	for _, w := range r.Witnesses {
		if w.Size > 0 && w.Size >= r.Witnessed {
			names = append(names, w.Name)
		}
	}
	switch {
	case r.Witnessed == 0:
		says = append(says, fmt.Sprintf("So far %s seen any batch (%d of %d witnesses are needed).", ledger.TooFew(r.Needed), r.Needed, len(r.Witnesses)))
	case r.Witnessed < r.Batches:
		says = append(says, fmt.Sprintf("%s saw the first %d of %d batches (%d of %d witnesses are needed); what was written since %s, %s seen.",
			strings.Join(names, ", "), r.Witnessed, r.Batches, r.Needed, len(r.Witnesses), r.Since.Format(time.RFC3339), ledger.TooFew(r.Needed)))
	default:
		says = append(says, fmt.Sprintf("%s saw all %s (%d of %d witnesses are needed).", strings.Join(names, ", "), page.Count(int(r.Batches), "batch", "batches"), r.Needed, len(r.Witnesses)))
	}
	return says
}

// problem adds one.
func (r *Report) problem(file string, offset, batch int64, format string, args ...any) {
	r.add(Problem{Changed, file, offset, batch, fmt.Sprintf(format, args...)})
}

func (r *Report) add(p Problem) {
	if r.found[p.Kind]++; r.found[p.Kind] > maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, p)
}

// whole adds a problem of a file as a whole.
func (r *Report) whole(file, format string, args ...any) { r.problem(file, -1, -1, format, args...) }

func (r *Report) warn(format string, args ...any) {
	if len(r.Warnings) < maxProblems {
		r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
	}
}
