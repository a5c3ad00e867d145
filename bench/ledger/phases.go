package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

func open(ctx context.Context, o options, readOnly bool) (*disk.Ledger, error) {
	return disk.Open(ctx, disk.Options{Dir: o.ledger(), Keys: o.keys(), ReadOnly: readOnly})
}

// load records everything, and weighs what is on disk then.
func load(ctx context.Context, o options) (results, error) {
	l, err := open(ctx, o, false)
	if err != nil {
		return nil, err
	}
	b := batches{o: o}
	began := time.Now()
	for first := 0; first < o.events(); first += batchSize {
		n := min(batchSize, o.events()-first)
		receipt, err := l.Record(ctx, b.make(first, n))
		if err == nil && receipt.Recorded != n {
			err = fmt.Errorf("bench: %d of %d disclosures recorded", receipt.Recorded, n)
		}
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	recorded := time.Since(began)
	if err := l.Close(); err != nil {
		return nil, err
	}
	pairs := float64(o.events() * perEvent)
	r := results{"load": pairs / recorded.Seconds(), "load and close": pairs / time.Since(began).Seconds()}
	for name, bytes := range weigh(o.ledger()) {
		r["bytes "+name] = bytes / pairs
	}
	return r, nil
}

// weigh gives the bytes of files by folder, and of all.
func weigh(dir string) map[string]float64 {
	sum := map[string]float64{}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		info, err := entry.Info()
		if err != nil || entry.Name() == "reserve" {
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		sum[first] += float64(info.Size())
		sum["all"] += float64(info.Size())
		return nil
	})
	return sum
}

// reopen gives the phase that opens after a clean close, to ask or to write.
func reopen(name string, readOnly bool) func(context.Context, options) (results, error) {
	return func(ctx context.Context, o options) (results, error) {
		began := time.Now()
		l, err := open(ctx, o, readOnly)
		if err != nil {
			return nil, err
		}
		return results{name: milliseconds(time.Since(began))}, l.Close()
	}
}

// ask asks all questions.
func ask(ctx context.Context, o options) (results, error) {
	l, err := open(ctx, o, true)
	if err != nil {
		return nil, err
	}
	r := results{}
	week, month := o.questions()
	for name, list := range map[string][]question{"7 days": week, "30 days": month} {
		var times []float64
		for i, q := range list {
			began := time.Now()
			scope, err := l.Scope(ctx, q.query())
			times = append(times, milliseconds(time.Since(began)))
			if err != nil {
				return nil, errors.Join(err, l.Close())
			}
			if i == 0 {
				r["answer "+name] = float64(scope.Patients)
			}
			r["sum "+name] += float64(scope.Patients)
		}
		r.add(name, times)
	}
	var times []float64
	for range rounds {
		n := 0
		for _, patient := range o.traced() {
			who := &ledger.Who{Tokens: []chaperone.PatientToken{token(number, patient)}}
			began := time.Now()
			err := l.Disclosures(ctx, ledger.Query{Patient: who}, func(ledger.Row) error { n++; return nil })
			times = append(times, milliseconds(time.Since(began)))
			if err != nil {
				return nil, errors.Join(err, l.Close())
			}
		}
		if len(times) == len(o.traced()) { // the first round, which reads the record
			r["answer history"] = float64(n)
		}
		r["sum history"] += float64(n)
	}
	r.histories(o, times)
	return r, l.Close()
}

// add notes the median and the 95th percentile.
func (r results) add(name string, times []float64) {
	slices.Sort(times)
	r[name], r[name+" p95"] = at(times, 0.5), at(times, 0.95)
}

// at gives a quantile of sorted numbers.
func at(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// count finds the first answers from the load alone.
func count(ctx context.Context, o options) (results, error) {
	week, month := o.questions()
	first := []question{week[0], month[0]}
	seen := [2][]bool{make([]bool, o.Patients+mostTraced), make([]bool, o.Patients+mostTraced)}
	var found [3]float64
	for i := range o.events() {
		e := o.event(i)
		for k, q := range first {
			if hour := hourOf(e.time); hour < q.from || hour >= q.to || !slices.Contains(q.parties, e.receiver) {
				continue
			}
			for _, p := range e.patients {
				if !seen[k][p] {
					seen[k][p] = true
					found[k]++
				}
			}
		}
		for _, p := range e.patients {
			if int(p) >= o.Patients {
				found[2]++
			}
		}
	}
	return results{"counted 7 days": found[0], "counted 30 days": found[1], "counted history": found[2]}, ctx.Err()
}

// rebuild opens a ledger whose index is gone.
func rebuild(ctx context.Context, o options) (results, error) {
	began := time.Now()
	l, err := open(ctx, o, false)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	scope, err := l.Scope(ctx, ledger.Query{Until: begin.Add(days * 24 * time.Hour)})
	if err == nil && scope.Disclosures < int64(o.events()) {
		err = fmt.Errorf("bench: %d disclosures after the rebuild, %d were recorded", scope.Disclosures, o.events())
	}
	pairs := float64(o.events() * perEvent)
	return results{"rebuild": pairs / took.Seconds()}, errors.Join(err, l.Close())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
