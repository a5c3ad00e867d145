package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"chaperone"
	"chaperone/ledger"
)

func eachFails(b *bench) {
	b.give(disclosure(1, at(0, "10:00:00"), "A"), disclosure(2, at(0, "11:00:00"), "A"))
	b.record(ledger.Batch{Findings: []chaperone.Finding{finding("one", at(0, "10:00:00")), finding("two", at(0, "10:00:00"))}})
	b.record(ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: at(0, "10:00:00")}, {Kind: ledger.Remark, At: at(0, "10:00:00")}}})
	enough := errors.New("enough")
	for name, ask := range map[string]func(each func() error) error{
		"disclosures": func(each func() error) error {
			return b.Disclosures(b.ctx, ledger.Query{}, func(ledger.Row) error { return each() })
		},
		"findings": func(each func() error) error {
			return b.Findings(b.ctx, ledger.Query{}, func(chaperone.Finding) error { return each() })
		},
		"notes": func(each func() error) error { return b.Notes(b.ctx, func(ledger.Note) error { return each() }) },
	} {
		calls := 0
		err := ask(func() error { calls++; return enough })
		if !errors.Is(err, enough) || calls != 1 {
			b.Errorf("%s: got %v after %d calls, want %v after 1", name, err, calls, enough)
		}
	}
	want(b, "later", b.ids(ledger.Query{}), []int{1, 2})
}

func cancelled(b *bench) {
	b.give(disclosure(1, at(0, "10:00:00"), "A"))
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.Scope(ctx, ledger.Query{}); !errors.Is(err, context.Canceled) {
		b.Errorf("scope: got %v, want %v", err, context.Canceled)
	}
	if _, err := rowsOf(ctx, b.Store, ledger.Query{}); !errors.Is(err, context.Canceled) {
		b.Errorf("disclosures: got %v, want %v", err, context.Canceled)
	}
	if _, err := b.Record(ctx, ledger.Batch{Disclosures: []ledger.Disclosure{disclosure(2, at(0, "11:00:00"), "A")}}); !errors.Is(err, context.Canceled) {
		b.Errorf("record: got %v, want %v", err, context.Canceled)
	}
	want(b, "ids", b.ids(ledger.Query{}), []int{1})
}

// writers: many record at once, some of it twice. Every batch is there when its Record returns.
func writers(b *bench) {
	const many, batches, size = 8, 10, 5
	receipts := make([]ledger.Receipt, many)
	var wait sync.WaitGroup
	for w := range many {
		wait.Go(func() {
			for i := range batches {
				var batch ledger.Batch
				for k := range size {
					n := (w/2)*1000 + i*size + k // each two writers record the same
					batch.Disclosures = append(batch.Disclosures, disclosure(n, at(n%3, "10:00:00").Add(time.Duration(n)*time.Second), string(rune('A'+n%7)), string(rune('a'+w/2))))
				}
				receipt, err := b.Record(b.ctx, batch)
				if err != nil {
					b.Errorf("record: %v", err)
					return
				}
				receipts[w].Add(receipt)
				own := batch.Disclosures[0]
				rows, err := rowsOf(b.ctx, b.Store, ledger.Query{From: own.Time, Until: own.Time.Add(time.Second)})
				if err != nil || len(rows) != 1 || rows[0].ID != own.ID {
					b.Errorf("a batch is not there when it is recorded: got %d rows, %v", len(rows), err)
					return
				}
			}
		})
	}
	wait.Wait()
	const distinct = many / 2 * batches * size
	var sum ledger.Receipt
	for _, r := range receipts {
		sum.Add(r)
	}
	want(b, "receipts", sum, ledger.Receipt{Recorded: distinct, Already: distinct})
	b.lasting(func() {
		s := b.scope(ledger.Query{})
		want(b, "disclosures", s.Disclosures, distinct)
		want(b, "people", countsOf(s.Counts), people{7 + many/2, many / 2, 7 + many/2, 7 + many/2, 7 + many/2})
		numbers, ids := map[uint64]bool{}, map[[16]byte]bool{}
		for _, r := range b.rows(ledger.Query{}) {
			numbers[r.Seq], ids[r.ID] = true, true
			if r.Seq >= distinct {
				b.Errorf("got number %d among %d", r.Seq, distinct)
			}
		}
		want(b, "distinct numbers and ids", [2]int{len(numbers), len(ids)}, [2]int{distinct, distinct})
	})
}

// standing: an answer sees whole batches only, and all that were recorded before it.
func standing(b *bench) { stand(b, 1) }

// standingDays: also when a batch is of several days.
func standingDays(b *bench) { stand(b, 2) }

func stand(b *bench, days int) {
	const batches, size = 30, 4
	batch := func(i int) (batch ledger.Batch) {
		for k := range size {
			d := disclosure(i*size+k, at(k%days, "10:00:00").Add(time.Duration(i)*time.Minute), string(rune('A'+i%20)))
			batch.Disclosures = append(batch.Disclosures, d)
		}
		return batch
	}
	recorded := make(chan int, batches)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer close(recorded)
		for i := range batches {
			if _, err := b.Record(b.ctx, batch(i)); err != nil {
				b.Errorf("record: %v", err)
				return
			}
			recorded <- i + 1
		}
	})
	for least := range recorded {
		rows, err := rowsOf(b.ctx, b.Store, ledger.Query{})
		if err != nil || len(rows)%size != 0 || len(rows) < least*size {
			b.Errorf("got %d rows, %v; want whole batches of %d, and at least %d of them", len(rows), err, size, least)
		}
		s, err := b.Scope(b.ctx, ledger.Query{Detail: true})
		if err != nil || s.Disclosures%size != 0 || s.Disclosures < int64(least*size) || len(s.Days) != days {
			b.Errorf("got %d disclosures in %d days, %v; want whole batches of %d, and at least %d of them", s.Disclosures, len(s.Days), err, size, least)
		}
		var sum int64
		for _, day := range s.Days {
			sum += day.Disclosures
		}
		want(b, "days of one answer", sum, s.Disclosures)
	}
	wait.Wait()
	b.lasting(func() { want(b, "in the end", len(b.rows(ledger.Query{})), batches*size) })
}

// afterClose: nothing is answered any more; to close again does nothing.
func afterClose(b *bench) {
	b.give(disclosure(1, at(0, "10:00:00"), "A"))
	if err := b.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	_, record := b.Record(b.ctx, ledger.Batch{Disclosures: []ledger.Disclosure{disclosure(2, at(0, "10:00:00"), "A")}})
	_, scope := b.Scope(b.ctx, ledger.Query{})
	_, rows := rowsOf(b.ctx, b.Store, ledger.Query{})
	_, found := findingsOf(b.ctx, b.Store, ledger.Query{})
	_, said := notesOf(b.ctx, b.Store)
	for name, err := range map[string]error{"record": record, "scope": scope, "disclosures": rows, "findings": found, "notes": said} {
		if !errors.Is(err, ledger.ErrClosed) {
			b.Errorf("%s: got %v, want %v", name, err, ledger.ErrClosed)
		}
	}
}
