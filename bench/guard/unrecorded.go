package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"chaperone/cmd/thrift"
	"chaperone/guard"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
	"chaperone/site"
)

// forgetful is a ledger that says that everything is on record, and writes nothing of it. It still gives the patients their numbers.
type forgetful struct{ *disk.Ledger }

func (forgetful) Record(_ context.Context, b ledger.Batch) (ledger.Receipt, error) {
	return ledger.Receipt{Recorded: len(b.Disclosures)}, nil
}

// unrecordedWord is what this program is started with to be one.
const unrecordedWord = "unrecorded"

// unrecorded is a guard with recording off, in a process of its own: what recording costs is what the real one is slower.
// There is no such guard for users.
func unrecorded(ctx context.Context, path string, log io.Writer) (err error) {
	thrift.Room(8<<20, 128<<20) // as chaperone guard does
	thrift.Begin()
	s, err := site.Load(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(path), "unrecorded")
	o := disk.Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys")}
	l, err := disk.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	tokens, err := patient.LoadKey(o.Keys)
	if err != nil {
		return err
	}
	trust, err := guard.TrustOf(s)
	if err != nil {
		return err
	}
	g, err := guard.Start(ctx, guard.Options{Site: s, Ledger: forgetful{l}, Tokens: tokens, Trust: trust, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return g.Drain(context.WithoutCancel(ctx))
}
