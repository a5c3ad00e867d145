package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/proof"
	"chaperone/ledger/record"
)

// Prove makes a proof of the disclosure that has an id, for somebody who does not trust this host.
//
// Errors: ledger.ErrUnknown, also when its day was purged; proof.ErrNotSigned.
func (l *Ledger) Prove(ctx context.Context, id [16]byte) (*proof.Document, error) {
	row, err := l.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := l.prover(&ledger.Query{})
	if err != nil {
		return nil, err
	}
	defer p.close()
	return proof.Disclosure(p.source(), row.Batch, row.Seq)
}

// ProveCount makes a proof of how many disclosures a query means. It is of all batches with something of its days, and of those
// between them, so that nothing there can be missing. It is of everybody's disclosures: a patient cannot be asked for.
//
// Errors: ledger.ErrUnknown when nothing is meant; proof.ErrNotSigned, proof.ErrTooLong.
func (l *Ledger) ProveCount(ctx context.Context, q ledger.Query) (*proof.Document, error) {
	if q.Patient != nil {
		return nil, errors.New("ledger: a count is proven of everybody's disclosures, not of one patient's")
	}
	p, err := l.prover(&q)
	if err != nil {
		return nil, err
	}
	defer p.close()
	first, end, err := p.batches(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	f := proof.Filter{From: q.From, Until: q.Until}
	switch {
	case first == end || !p.all && len(p.meant) == 0:
		return nil, ledger.ErrUnknown
	case !p.all && len(p.meant) < len(p.defined):
		for _, way := range p.meant {
			f.Ways = append(f.Ways, way.Number())
		}
		slices.Sort(f.Ways)
	}
	return proof.Count(ctx, p.source(), first, end, f)
}

// prover reads from the record what a proof is made of.
type prover struct {
	*question
	count   uint64       // batches that are durable
	words   []string     // by number
	defined []record.Way // the ways, by number - 1
	walker  *record.Walker
}

func (l *Ledger) prover(q *ledger.Query) (*prover, error) {
	a, err := l.take(q)
	if err != nil {
		return nil, err
	}
	defer a.unlock()
	return &prover{question: a, count: l.durable.Load(), words: slices.Clip(l.dictionary.words), defined: slices.Clip(l.dictionary.ways)}, nil
}

func (p *prover) close() {
	if p.walker != nil {
		_ = p.walker.Close() // it only read
	}
	p.question.close()
}

// batches gives the range of batches that have all disclosures of the query's time: those of its days, and whatever is in
// between. The record says which they are, and not the index.
func (p *prover) batches(ctx context.Context) (first, end uint64, err error) {
	w, err := record.Walk(p.ledger.files.dir, p.ledger.meta.ID, record.WalkOptions{HeadersOnly: true})
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	for n := range p.count {
		if n%1024 == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		f, err := w.Next()
		if err != nil {
			return 0, 0, err
		}
		if lo, hi := p.span(f.Day); f.Disclosures == 0 || !lo.Before(hi) {
			continue
		}
		if end == 0 {
			first = n
		}
		end = n + 1
	}
	return first, end, nil
}

func (p *prover) source() *proof.Source {
	return &proof.Source{
		Log: p.ledger.log, Batch: p.batch,
		Words: func(n uint32) string {
			if int(n) < len(p.words) {
				return p.words[n]
			}
			return ""
		},
		Way: func(n uint32) (record.Way, bool) {
			if n < 1 || int(n) > len(p.defined) {
				return record.Way{}, false
			}
			return p.defined[n-1], true
		},
	}
}

// batch reads one. They are asked for one after the other.
func (p *prover) batch(n uint64) (header, entries []byte, key *record.PartKey, err error) {
	if p.walker == nil {
		if p.walker, err = record.Walk(p.ledger.files.dir, p.ledger.meta.ID, record.WalkOptions{From: n, NoSums: true}); err != nil {
			return nil, nil, nil, err
		}
	}
	f, err := p.walker.Next()
	if err != nil {
		return nil, nil, nil, err
	}
	if f.Batch != n {
		return nil, nil, nil, fmt.Errorf("batch %d stands where batch %d should", f.Batch, n)
	}
	header = append(header, f.Leaf...)
	nonce, ok := record.PartNonce(f.Entries)
	if !ok {
		return header, nil, nil, nil
	}
	m, err := p.ledger.keys.master(f.Day)
	if errors.Is(err, keys.ErrPurged) || errors.Is(err, keys.ErrNoKey) {
		return header, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	k := m.PartKey(nonce)
	return header, append(entries, f.Entries...), &k, nil
}
