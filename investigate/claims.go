package investigate

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chaperone"
	"chaperone/format/dump"
	"chaperone/format/post"
	"chaperone/incident"
	"chaperone/patient"
)

// match is what the comparison of one table gave.
type match struct {
	path      string
	rows      int // without repetitions
	unmatched int
	matches   [][]patient.Node
	found     bool // it has a column of numbers
}

// readClaims reads offers and tables and compares the tables with the patients of the evidence, by exact numbers.
func readClaims(ctx context.Context, files []File, tokens *patient.Tokenizer, census *patient.Census, m *meter) []incident.Claim {
	var claims []incident.Claim
	var tables []match
	var texts []string           // of the offers
	known := map[string]string{} // tables by digest
	for i := range files {
		f := &files[i]
		switch {
		case ctx.Err() != nil:
		case f.Kind == Offer:
			if text, err := os.ReadFile(f.Path); err == nil {
				p, _ := post.Read(text)
				f.Items = 1
				texts = append(texts, strings.ToLower(string(text)))
				claims = append(claims, incident.Claim{Evidence: chaperone.Evidence{File: f.Path}, Posted: p.Posted, Place: p.Place, Price: p.Price, Claimed: p.Claimed})
			}
		case f.Kind == Table && known[digest(ctx, f.Path)] != "":
			f.Problem = "the same as " + known[digest(ctx, f.Path)]
		case f.Kind == Table:
			known[digest(ctx, f.Path)] = f.Path
			t, err := compare(ctx, f.Path, tokens, census, m)
			f.Items = int64(t.rows)
			if err != nil {
				f.Problem = problem(f.Path, err)
			}
			if !t.found && err == nil {
				f.Problem = "a table about people without a column of patient numbers: not compared"
			}
			tables = append(tables, t)
		}
	}
	offers := len(claims)
	for _, t := range tables {
		if i := offerOf(t, texts); i >= 0 {
			attach(&claims[i], t, census)
			continue
		}
		if offers == 1 { // the table beside the only offer is taken for its sample
			attach(&claims[0], t, census)
			continue
		}
		var c incident.Claim
		attach(&c, t, census)
		claims = append(claims, c)
	}
	return claims
}

// offerOf gives the offer that names a table's file, -1 for none.
func offerOf(t match, texts []string) int {
	name := strings.ToLower(filepath.Base(t.path))
	return slices.IndexFunc(texts, func(text string) bool { return strings.Contains(text, name) })
}

// digest names the content of a file.
func digest(ctx context.Context, path string) string { return sum(ctx, path, newMeter(nil, nil)) }

// attach adds a table to a claim.
func attach(c *incident.Claim, t match, census *patient.Census) {
	if c.Dump == "" {
		c.Dump = t.path
	}
	c.Rows += t.rows
	c.Unmatched += t.unmatched
	c.Matches = append(c.Matches, t.matches...)
	c.Prove(census)
}

// compare matches the rows of a table with the census.
func compare(ctx context.Context, path string, tokens *patient.Tokenizer, census *patient.Census, m *meter) (match, error) {
	t := match{path: path}
	file, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer file.Close()
	r, err := dump.NewReader(counted{ctx, file, m})
	if err != nil {
		return t, err
	}
	t.found = slices.ContainsFunc(r.Columns(), func(c dump.Column) bool { return c.Means == dump.Number })
	var rows, unmatched digests
	known := map[uint64]bool{} // numbers that matched
	seed := maphash.MakeSeed()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, err
		}
		var h maphash.Hash
		h.SetSeed(seed)
		for i := range row.Len() {
			h.WriteString(row.At(i).Reveal()) // into a digest that is thrown away: rows that repeat count once
			h.WriteByte(0)
		}
		rows.add(h.Sum64())
		number := row.Of(dump.Number)
		name := maphash.String(seed, number.Reveal()) // likewise
		if number.Empty() || !known[name] {
			nodes := find(number, tokens, census)
			if len(nodes) == 0 {
				unmatched.add(h.Sum64())
				continue
			}
			known[name] = true
			t.matches = append(t.matches, nodes)
		}
	}
	t.rows, t.unmatched = rows.distinct(), unmatched.distinct()
	return t, nil
}

// find gives the nodes of the census that bear a number.
func find(number chaperone.PHI, tokens *patient.Tokenizer, census *patient.Census) []patient.Node {
	if number.Empty() {
		return nil
	}
	var nodes []patient.Node
	for _, token := range tokens.Numbers(number) {
		if n, ok := census.Find(token); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// digests are a set of 8 bytes for each of millions of rows: sorted now and then, and at the end.
type digests struct {
	list []uint64
	due  int // length at which repetitions are taken out
}

func (d *digests) add(v uint64) {
	d.list = append(d.list, v)
	if len(d.list) >= max(d.due, 1<<16) {
		d.due = 2 * d.distinct()
	}
}

func (d *digests) distinct() int {
	slices.Sort(d.list)
	d.list = slices.Compact(d.list)
	return len(d.list)
}
