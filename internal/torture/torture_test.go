package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"chaperone/internal/torture/faultfs"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// TestMain lets the test binary be the worker too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(work(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv(apart) != "" {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestTorture is a short run of every mode.
func TestTorture(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector slows the worker down and is no part of what is tested here; the ledger has its own tests under it")
	}
	for _, test := range []struct {
		mode   string
		o      options
		mounts bool
		needs  func() error
		fails  bool
	}{
		{mode: "kill9", o: options{n: 5, seed: 1}},
		{mode: "powercut", o: options{n: 5, seed: 1}, mounts: true},
		{mode: "powercut", o: options{n: lap, seed: 1, ignoreFsync: true}, mounts: true, fails: true},
		{mode: "imagecuts", o: options{n: 8, seed: 1}, mounts: true},
		{mode: "imagecuts", o: options{n: lap, seed: 1, ignoreFsync: true}, mounts: true, fails: true},
		{mode: "enospc", o: options{n: 1, seed: 1}, mounts: true},
		{mode: "eio", o: options{seed: 1, every: 31}, mounts: true},
		{mode: "damage", o: options{n: 40, seed: 1}},
		{mode: "guard", o: options{n: 5, seed: 1}},
		{mode: "spool", o: options{n: 5, seed: 1}},
		{mode: "spool", o: options{n: 2, seed: 1, forget: true}, fails: true},
		{mode: "images", o: options{n: 4, seed: 1}, needs: hasDCMTK},
		{mode: "images", o: options{n: 2, seed: 1, forget: true}, needs: hasDCMTK, fails: true},
		{mode: "dicom", o: options{n: 5, seed: 1}},
		{mode: "reload", o: options{n: 50, seed: 1}},
		{mode: "standby", o: options{n: 2, seed: 1}, needs: separable},
		{mode: "handover", o: options{n: 2, seed: 1}},
	} {
		name := test.mode
		switch {
		case test.o.forget:
			name += " that is deleted"
		case test.fails:
			name += " on a disk that ignores fsync"
		}
		t.Run(name, func(t *testing.T) {
			if err := mountable(t); test.mounts && err != nil {
				t.Skip(err)
			}
			if test.needs != nil {
				if err := test.needs(); err != nil {
					t.Skip(err)
				}
			}
			test.o.dir, test.o.stdout, test.o.every = t.TempDir(), t.Output(), max(1, test.o.every)
			err := runModes(t.Context(), test.mode, test.o)
			switch {
			case test.fails && !errors.Is(err, errPromise):
				t.Errorf("got %v, want a broken promise: else the run proves nothing", err)
			case !test.fails && err != nil:
				t.Error(err)
			}
		})
	}
}

// mountable says why no file system can be mounted here.
func mountable(t *testing.T) error {
	if err := faultfs.Mountable(); err != nil {
		return err
	}
	return onDisk(faultfs.New(), t.TempDir(), func() error { return nil })
}

// forgetful is a store that loses, doubles or changes what it was given: the check must see it.
type forgetful struct {
	*mem.Store
	change func(row ledger.Row) []ledger.Row
}

func (f *forgetful) Disclosures(ctx context.Context, q ledger.Query, each func(ledger.Row) error) error {
	n := 0
	return f.Store.Disclosures(ctx, q, func(row ledger.Row) error {
		rows := []ledger.Row{row}
		if n++; n == 7 && q.Patient == nil {
			rows = f.change(row)
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(row ledger.Row) []ledger.Row
		broken bool
	}{
		{"as recorded", func(row ledger.Row) []ledger.Row { return []ledger.Row{row} }, false},
		{"lost", func(ledger.Row) []ledger.Row { return nil }, true},
		{"doubled", func(row ledger.Row) []ledger.Row { return []ledger.Row{row, row} }, true},
		{"other bytes", func(row ledger.Row) []ledger.Row { row.Bytes++; return []ledger.Row{row} }, true},
		{"other party", func(row ledger.Row) []ledger.Row { row.To.Port++; return []ledger.Row{row} }, true},
		{"fewer persons", func(row ledger.Row) []ledger.Row { row.Persons--; return []ledger.Row{row} }, true},
		{"invented", func(row ledger.Row) []ledger.Row { row.ID[0]++; return []ledger.Row{row} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, b := &forgetful{mem.New(), test.change}, newBooks(7)
			if err := drive(t.Context(), s, 7, 0, 3, b.add); err != nil {
				t.Fatal(err)
			}
			if err := b.check(t.Context(), s, true); errors.Is(err, errPromise) != test.broken || err != nil && !test.broken {
				t.Errorf("got %v, want a broken promise: %t", err, test.broken)
			}
		})
	}
}

func TestCheckMerges(t *testing.T) {
	s, b := mem.New(), newBooks(7)
	if err := drive(t.Context(), s, 7, 0, 3, b.add); err != nil {
		t.Fatal(err)
	}
	for pair := range pairs {
		b.merges[pair] = true
	}
	if err := b.check(t.Context(), s, true); !errors.Is(err, errPromise) {
		t.Errorf("got %v, want that merges are missing", err)
	}
}
