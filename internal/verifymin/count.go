package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// count is what is proven of a range of batches, as in the document.
type count struct {
	From  string   `json:"from"`
	Until string   `json:"until"`
	Ways  []uint32 `json:"ways"`

	Batches           int    `json:"batches"`
	Closed            int    `json:"batches_not_opened"`
	ClosedDisclosures uint64 `json:"disclosures_not_opened"`
	Disclosures       int64  `json:"disclosures"`
	Identifiers       int    `json:"identifiers"`
	Unidentified      int64  `json:"unidentified"`
	Records           int64  `json:"records"`
	Bytes             int64  `json:"bytes"`
	First             string `json:"first"`
	Last              string `json:"last"`
}

// recount opens all batches and compares what is in them with what the document says.
func recount(d *document) error {
	have := count{}
	var from, until, first, last time.Time
	if d.Count != nil {
		have.From, have.Until, have.Ways = d.Count.From, d.Count.Until, d.Count.Ways
		var err1, err2 error
		from, err1 = moment(d.Count.From)
		until, err2 = moment(d.Count.Until)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
	}
	identifiers := map[uint32]bool{}
	used := map[uint32]int64{} // records that are counted, by way
	found := false
	next := uint64(0)
	for i, b := range d.Batches {
		raw, err1 := decode(b.Header)
		part, err2 := decode(b.Entries)
		key, err3 := decode(b.Key)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		h, err := parseHeader(raw)
		if err != nil {
			return err
		}
		if h.batch != d.First+uint64(i) || i > 0 && h.before != next {
			return fmt.Errorf("batch %d does not follow the one before", h.batch)
		}
		next = h.before + uint64(h.disclosures)
		have.Batches++
		if h.size > 0 && len(part) == 0 && len(key) == 0 {
			have.Closed++
			have.ClosedDisclosures += uint64(h.disclosures)
			continue
		}
		entries, err := open(part, key, &h)
		if err != nil {
			return fmt.Errorf("batch %d: %w", h.batch, err)
		}
		seen := uint64(0)
		for _, entry := range entries {
			if len(entry) == 0 || entry[0] != kindDisclosure {
				continue
			}
			p, err := parseDisclosure(entry, h.day)
			if err != nil {
				return fmt.Errorf("batch %d: %w", h.batch, err)
			}
			p.Number = h.before + seen
			seen++
			if d.Disclosure != nil {
				if p.Number == d.Disclosure.Number {
					d.Disclosure.at, used[p.Way], found = p.at, 0, reflect.DeepEqual(&p, d.Disclosure)
				}
				continue
			}
			used[p.Way] += 0
			if !from.IsZero() && p.at.Before(from) || !until.IsZero() && !p.at.Before(until) || len(have.Ways) > 0 && !slices.Contains(have.Ways, p.Way) {
				continue
			}
			if have.Disclosures == 0 || p.at.Before(first) {
				first, have.First = p.at, p.Time
			}
			if have.Disclosures == 0 || p.at.After(last) {
				last, have.Last = p.at, p.Time
			}
			have.Disclosures++
			have.Records += p.Records
			have.Unidentified += p.Unidentified
			have.Bytes += p.Bytes
			if have.Records < 0 || have.Unidentified < 0 || have.Bytes < 0 {
				return errors.New("numbers that are impossible")
			}
			used[p.Way] += p.Records
			for _, n := range p.Identifiers {
				identifiers[n] = true
			}
		}
		if seen != uint64(h.disclosures) {
			return fmt.Errorf("batch %d has %d disclosures and says %d", h.batch, seen, h.disclosures)
		}
	}
	have.Identifiers = len(identifiers)
	if d.Disclosure != nil && !found {
		return errors.New("the batch has another disclosure than the document")
	}
	if d.Count != nil && !reflect.DeepEqual(&have, d.Count) {
		return fmt.Errorf("counted again: %+v", have)
	}
	return claims(d, used)
}

// claims checks what can be checked of what is only claimed: that it is about the ways that were used.
func claims(d *document, used map[uint32]int64) error {
	objects := int64(0)
	last := uint32(0)
	for i, w := range d.Claimed.Ways {
		records, ok := used[w.Number]
		if !ok || i > 0 && w.Number <= last {
			return fmt.Errorf("way %d is claimed and not used, or not in order", w.Number)
		}
		last = w.Number
		if w.Protocol == "dicom" && (w.Action == "C-STORE" || w.Action == "C-GET" || w.Action == "C-MOVE") {
			objects += records
		}
	}
	if len(d.Claimed.Ways) != len(used) {
		return errors.New("a way that is used is not named")
	}
	if d.Claimed.Objects != nil && *d.Claimed.Objects != objects {
		return fmt.Errorf("%d objects follow from the ways that are claimed", objects)
	}
	return nil
}

// moment reads a time as it is written in a document; "" is none.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.UTC().Format(time.RFC3339Nano) != text {
		return t, errors.New("a time is not written in RFC 3339 and UTC")
	}
	return t, nil
}
