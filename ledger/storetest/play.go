package storetest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// Histories lets a store and ledger/mem live through n random histories: duplicates, merges and their undoing, days in any
// order, closing, crashes and purges, and questions in between. Every answer has to be the same, but for the public ids of
// people, which have to name the same people for the whole of a history.
func Histories(t *testing.T, n int, open func(t *testing.T) Opened) {
	defer checks(t, n)()
	lived := 0
	rapid.Check(t, func(r *rapid.T) {
		h := histories.Draw(r, "history")
		lived++
		if err := live(t.Context(), h, open(t)); err != nil {
			r.Fatal(err)
		}
	})
	if lived < n && !testing.Short() {
		t.Errorf("only %d of %d histories before the deadline of the tests: give it more with -timeout", lived, n)
	}
}

// checks tells rapid how often, for as long as the test lasts. It has no other way than its flag.
func checks(t *testing.T, n int) (restore func()) {
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Value.Set(before) } // what it gave it takes
}

// live plays a history with a store and tells the first difference to ledger/mem.
func live(ctx context.Context, h history, opened Opened) (err error) {
	if opened.Discard != nil {
		defer opened.Discard()
	}
	l := life{ctx: ctx, opened: opened, got: opened.Store, want: mem.New(), ids: newIDs()}
	for i, s := range h {
		if err := l.step(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s, err)
		}
	}
	if err := l.everything(); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	if opened.Reopen != nil {
		l.got = opened.Reopen()
		if err := l.everything(); err != nil {
			return fmt.Errorf("at the end, opened anew: %w", err)
		}
	}
	return l.got.Close()
}

// life is a history being played.
type life struct {
	ctx    context.Context
	opened Opened
	got    ledger.Store
	want   *mem.Store
	ids    *ids
}

func (l *life) step(s step) error {
	switch s.what {
	case record:
		got, err := l.got.Record(l.ctx, s.batch)
		if err != nil {
			return err
		}
		want, err := l.want.Record(l.ctx, s.batch)
		if err != nil {
			return err
		}
		return differ("receipt", got, want)
	case ask:
		return l.ask(s)
	case reopen:
		if l.opened.Reopen != nil {
			l.got = l.opened.Reopen()
		}
	case crash:
		if l.opened.Crash != nil {
			l.got = l.opened.Crash()
		}
	case purgeDay:
		if l.opened.Purge != nil {
			return errors.Join(l.opened.Purge(s.day), l.want.Purge(s.day, time.Now()))
		}
	}
	return nil
}

// ask puts a question to both. A patient is asked for by tokens, or by the id that each store gave that person.
func (l *life) ask(s step) error {
	mine, theirs := s.query, s.query
	if s.who != "" {
		who := ledger.Who{Tokens: tokens(s.who)}
		mine.Patient, theirs.Patient = &who, &who
		if s.byID {
			if want, got, ok := l.ids.any(len(s.who)); ok {
				mine.Patient, theirs.Patient = &ledger.Who{ID: want}, &ledger.Who{ID: got}
			}
		}
	}
	want, errWant := l.want.Scope(l.ctx, mine)
	got, errGot := l.got.Scope(l.ctx, theirs)
	if errWant != nil || errGot != nil {
		if !errors.Is(errGot, errWant) {
			return fmt.Errorf("scope: got error %v, want %v", errGot, errWant)
		}
		return nil
	}
	if err := differScope(got, want); err != nil {
		return err
	}
	wantRows, errWant := rowsOf(l.ctx, l.want, mine)
	gotRows, errGot := rowsOf(l.ctx, l.got, theirs)
	if err := errors.Join(errWant, errGot); err != nil {
		return err
	}
	if err := l.ids.differRows(gotRows, wantRows); err != nil {
		return err
	}
	wantFindings, errWant := findingsOf(l.ctx, l.want, mine)
	gotFindings, errGot := findingsOf(l.ctx, l.got, theirs)
	if err := errors.Join(errWant, errGot); err != nil {
		return err
	}
	return differFindings(gotFindings, wantFindings)
}

// everything asks what a history should leave the same whatever happened in it.
func (l *life) everything() error {
	questions := []step{{query: ledger.Query{Detail: true}}, {query: ledger.Query{From: at(1, "10:30:00"), Until: at(2, "10:30:00"), Detail: true}}}
	for _, p := range systems {
		questions = append(questions, step{query: ledger.Query{Parties: []ledger.Match{match(p)}}})
	}
	for _, c := range numbersOfPeople + namesOfPeople {
		questions = append(questions, step{who: string(c)})
	}
	for _, s := range questions {
		s.what = ask
		if err := l.ask(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	want, errWant := notesOf(l.ctx, l.want)
	got, errGot := notesOf(l.ctx, l.got)
	if err := errors.Join(errWant, errGot); err != nil {
		return err
	}
	return differNotes(got, want)
}
