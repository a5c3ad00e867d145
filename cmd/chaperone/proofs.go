package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/keys"
	"chaperone/ledger/proof"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// proofs reads from a ledger's record what a proof is made of. The ledger is open for asking meanwhile, so that nobody
// writes to it.
type proofs struct {
	dir     string // of the record
	id      [16]byte
	days    *keys.Days
	log     *seal.Log
	headers []batchOf
	words   []string // from number 1 on
	way     []record.Way
	walker  *record.Walker
}

// batchOf is what chooses a batch.
type batchOf struct {
	day         ledger.Day
	disclosures bool
}

// openProofs reads the record once: its words and ways, and of which day each batch is.
func openProofs(ctx context.Context, dir, keysFolder string) (*proofs, error) {
	meta, err := keys.ReadMeta(dir)
	if err != nil {
		return nil, err
	}
	data, err := keys.LoadData(keysFolder)
	if err != nil {
		return nil, err
	}
	verifier, err := keys.ParseVerifier(meta.Verifier)
	if err != nil {
		return nil, err
	}
	p := &proofs{dir: filepath.Join(dir, record.Folder), id: meta.ID, days: keys.OpenDays(dir, data, meta.ID), words: []string{""}}
	if err := p.read(ctx, record.NewMaster(data.Dictionary())); err != nil {
		return nil, err
	}
	if p.log, err = seal.Open(dir, verifier, nil); err != nil {
		return nil, err
	}
	return p, p.log.Load(ctx, uint64(len(p.headers)), p.leaves)
}

func (p *proofs) read(ctx context.Context, dictionary *record.Master) error {
	w, err := record.Walk(p.dir, p.id, record.WalkOptions{NoSums: true})
	if err != nil {
		return err
	}
	defer w.Close()
	var e record.Entry
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := w.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.headers = append(p.headers, batchOf{f.Day, f.Disclosures > 0})
		if len(f.Dictionary) == 0 {
			continue
		}
		part, err := record.OpenPart(f.Dictionary, dictionary)
		if err == nil {
			err = part.Each(func(b []byte) error {
				err := record.Decode(b, f.Day, &e)
				switch e.Kind {
				case record.KindWord:
					p.words = append(p.words, e.Word)
				case record.KindWay:
					p.way = append(p.way, e.Way)
				}
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("%s: batch %d: %w", record.SegmentName(f.Segment), f.Batch, err)
		}
	}
}

func (p *proofs) leaves(from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w, err := record.Walk(p.dir, p.id, record.WalkOptions{From: from, HeadersOnly: true})
		if err != nil {
			yield(nil, err)
			return
		}
		defer w.Close()
		for {
			f, err := w.Next()
			if errors.Is(err, io.EOF) || !yield(f.Leaf, err) || err != nil {
				return
			}
		}
	}
}

func (p *proofs) close() {
	if p.walker != nil {
		_ = p.walker.Close()
	}
}

// batches gives the range of batches that have all disclosures of a period: those of its days, and whatever is in between.
func (p *proofs) batches(q ledger.Query) (first, end uint64) {
	for n, b := range p.headers {
		day := b.day
		in := b.disclosures && (q.Until.IsZero() || day.Time().Before(q.Until)) && (q.From.IsZero() || (day + 1).Time().After(q.From))
		if in && end == 0 {
			first = uint64(n)
		}
		if in {
			end = uint64(n) + 1
		}
	}
	return first, end
}

// ways gives the numbers of those that a question means, or all.
func (p *proofs) ways(q ledger.Query) (list []uint32, all bool) {
	if len(q.Parties)+len(q.Sources)+len(q.Protocols) == 0 {
		return nil, true
	}
	for i := range p.way {
		w := &p.way[i]
		if q.FitsWay(w.From.Spell(0, p.word), w.To.Spell(0, p.word), chaperone.Protocol(p.word(w.Protocol))) {
			list = append(list, uint32(i+1))
		}
	}
	return list, false
}

func (p *proofs) word(n uint32) string {
	if int(n) < len(p.words) {
		return p.words[n]
	}
	return ""
}

func (p *proofs) source() *proof.Source {
	return &proof.Source{
		Log: p.log, Batch: p.batch, Words: p.word,
		Way: func(n uint32) (record.Way, bool) {
			if n < 1 || int(n) > len(p.way) {
				return record.Way{}, false
			}
			return p.way[n-1], true
		},
	}
}

// batch reads one. They are asked for one after the other.
func (p *proofs) batch(n uint64) (header, entries []byte, key *record.PartKey, err error) {
	if p.walker == nil {
		if p.walker, err = record.Walk(p.dir, p.id, record.WalkOptions{From: n, NoSums: true}); err != nil {
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
	day, err := p.days.Key(f.Day)
	if errors.Is(err, keys.ErrPurged) || errors.Is(err, keys.ErrNoKey) {
		return header, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	k := record.NewMaster(day).PartKey(nonce)
	return header, append(entries, f.Entries...), &k, nil
}
