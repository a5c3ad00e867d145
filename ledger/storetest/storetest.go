// Package storetest is what every ledger.Store owes, as tests: Run asks one promise after the other by name, Histories
// lets a store and ledger/mem live through the same random histories and compares every answer.
//
// The people in it are letters: large ones are numbers, small ones names with birth date and sex.
package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// Opened is a fresh store and what else can be done to it.
type Opened struct {
	ledger.Store

	// Reopen closes the store and opens it again. Crash abandons it as a killed process would, and recovers. Both give the
	// store as it is then; the old one is not used any more. nil for a store that does not last.
	Reopen, Crash func() ledger.Store

	// Purge forgets a day of the store as it is then. nil for a store that cannot.
	Purge func(day ledger.Day) error

	// Discard removes everything when the test is over, open or not. nil when there is nothing to remove.
	Discard func()
}

// Run tests the contract of ledger.Store. open gives a store of its own to each test.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"an empty store", emptyStore},
		{"every field comes back", everyField},
		{"times and texts are cut", cuts},
		{"a disclosure is recorded once", once},
		{"what is on record adds nothing", repeated},
		{"an empty batch", emptyBatch},
		{"the batch stays the caller's", notKept},
		{"invalid batches", invalid},
		{"a huge batch", huge},
		{"in the order of time, then of recording", order},
		{"long histories", long},
		{"half-open ranges", ranges},
		{"parties", parties},
		{"people", persons},
		{"of some disclosures", some},
		{"one patient", onePatient},
		{"ids last", idsLast},
		{"sums", sums},
		{"parts", parts},
		{"findings", findings},
		{"notes", notes},
		{"coverage", coverage},
		{"purge", purge},
		{"an error of each ends it", eachFails},
		{"a cancelled question", cancelled},
		{"many writers", writers},
		{"an answer stands still", standing},
		{"a batch of several days is seen whole", standingDays},
		{"after Close", afterClose},
	} {
		t.Run(test.name, func(t *testing.T) {
			opened := open(t)
			if opened.Discard != nil {
				t.Cleanup(opened.Discard)
			}
			b := &bench{T: t, Opened: opened, ctx: t.Context()}
			test.run(b)
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// bench is one test at work on its store.
type bench struct {
	*testing.T
	Opened
	ctx context.Context
}

// lasting does a check now, and again after the store was opened anew and after a crash.
func (b *bench) lasting(check func()) {
	b.Helper()
	check()
	if b.Reopen != nil && !b.Failed() {
		b.Store = b.Reopen()
		if check(); b.Failed() {
			b.Fatal("… after the store was opened anew")
		}
	}
	if b.Crash != nil && !b.Failed() {
		b.Store = b.Crash()
		if check(); b.Failed() {
			b.Fatal("… after a crash")
		}
	}
}

// record records and says what became of it.
func (b *bench) record(batch ledger.Batch) ledger.Receipt {
	b.Helper()
	receipt, err := b.Record(b.ctx, batch)
	if err != nil {
		b.Fatalf("record: %v", err)
	}
	return receipt
}

// give records disclosures in a batch.
func (b *bench) give(list ...ledger.Disclosure) ledger.Receipt {
	b.Helper()
	return b.record(ledger.Batch{Disclosures: list})
}

func (b *bench) scope(q ledger.Query) ledger.Scope {
	b.Helper()
	s, err := b.Scope(b.ctx, q)
	if err != nil {
		b.Fatalf("scope: %v", err)
	}
	return s
}

func (b *bench) rows(q ledger.Query) []ledger.Row {
	b.Helper()
	rows, err := rowsOf(b.ctx, b.Store, q)
	if err != nil {
		b.Fatalf("disclosures: %v", err)
	}
	return rows
}

// ids asks and gives the numbers of the disclosures, and checks that Scope counts as many.
func (b *bench) ids(q ledger.Query) []int {
	b.Helper()
	list := []int{}
	for _, r := range b.rows(q) {
		list = append(list, number(r.ID))
	}
	if got := b.scope(q).Disclosures; got != int64(len(list)) {
		b.Errorf("scope: got %d disclosures, want %d", got, len(list))
	}
	return list
}

// want compares.
func want[T any](b *bench, what string, got, want T) {
	b.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		b.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func rowsOf(ctx context.Context, s ledger.Store, q ledger.Query) ([]ledger.Row, error) {
	var rows []ledger.Row
	err := s.Disclosures(ctx, q, func(r ledger.Row) error {
		rows = append(rows, r)
		return nil
	})
	return rows, err
}

func findingsOf(ctx context.Context, s ledger.Store, q ledger.Query) ([]chaperone.Finding, error) {
	var list []chaperone.Finding
	err := s.Findings(ctx, q, func(f chaperone.Finding) error {
		list = append(list, f)
		return nil
	})
	return list, err
}

func notesOf(ctx context.Context, s ledger.Store) ([]ledger.Note, error) {
	var list []ledger.Note
	err := s.Notes(ctx, func(n ledger.Note) error {
		list = append(list, n)
		return nil
	})
	return list, err
}

// first is the day on which the tests begin: long over, so that it may be purged.
const first ledger.Day = 18_000

// at gives a moment: days after the first, and the time of day.
func at(day int, clock string) time.Time {
	t, err := time.Parse("15:04:05.999999999", clock)
	if err != nil {
		panic(err) // a typing error in a table
	}
	return (first + ledger.Day(day)).Time().Add(t.Sub(t.Truncate(24 * time.Hour)))
}

// id numbers disclosures.
func id(n int) (id [16]byte) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	copy(id[:], sum[:8])
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func number(id [16]byte) int { return int(binary.BigEndian.Uint64(id[8:])) }

// token gives the token of a letter.
func token(letter byte) chaperone.PatientToken {
	sum := sha256.Sum256([]byte{letter})
	return chaperone.PatientToken(sum[:16])
}

func tokens(letters string) []chaperone.PatientToken {
	var list []chaperone.PatientToken
	for i := range len(letters) {
		list = append(list, token(letters[i]))
	}
	return list
}

// covered says whose: "AB" has two numbers, "Ax" a number and a name, "x" only a name.
func covered(words ...string) []ledger.Covered {
	var list []ledger.Covered
	for _, word := range words {
		var c ledger.Covered
		for i := range len(word) {
			if word[i] >= 'a' {
				c.Demographic = token(word[i])
			} else {
				c.Numbers = append(c.Numbers, token(word[i]))
			}
		}
		list = append(list, c)
	}
	return list
}

// The systems of the tests.
var (
	archive = chaperone.Party{Addr: netip.MustParseAddr("10.0.0.5"), Claimed: "ARCHIVE"}
	viewer  = chaperone.Party{Addr: netip.MustParseAddr("10.0.1.9"), Claimed: "VIEWER"}
	lab     = chaperone.Party{Addr: netip.MustParseAddr("2001:db8::7"), Claimed: "LAB@NORTH", Proven: "CN=lab.example"}
	mapped  = chaperone.Party{Addr: netip.MustParseAddr("::ffff:10.0.2.3")}
	called  = chaperone.Party{Claimed: "Köln"}
)

// disclosure gives one from the archive to the viewer: 10 bytes and one record for each who is covered.
func disclosure(n int, when time.Time, whose ...string) ledger.Disclosure {
	return ledger.Disclosure{
		Disclosure: chaperone.Disclosure{
			ID: id(n), Time: when, Protocol: chaperone.DICOM, Action: "C-STORE", From: archive, To: viewer, Records: len(whose), Bytes: 10 * int64(len(whose)),
			Protection: chaperone.InClear, Outcome: chaperone.Delivered, Evidence: chaperone.Evidence{File: "a.pcap", Packet: int64(n), Offset: 7},
		},
		Covered: covered(whose...),
	}
}

// between changes who gives to whom.
func between(d ledger.Disclosure, from, to chaperone.Party) ledger.Disclosure {
	d.From, d.To = from, to
	return d
}

// by changes the protocol and its word.
func by(d ledger.Disclosure, protocol chaperone.Protocol, action string) ledger.Disclosure {
	d.Protocol, d.Action = protocol, action
	return d
}
