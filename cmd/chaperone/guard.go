package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"chaperone/approval"
	"chaperone/cmd/thrift"
	"chaperone/guard"
	"chaperone/identity"
	"chaperone/ledger/keys"
	"chaperone/page"
	"chaperone/patient"
	"chaperone/policy"
	"chaperone/site"
)

// guardFlags are the options of chaperone guard as they are typed.
type guardFlags struct {
	site           string
	check, example bool
	drain          time.Duration
	ledger         ledgerFlags
}

func newGuard() *cobra.Command {
	var f guardFlags
	c := &cobra.Command{
		Use:   "guard --site site.yaml",
		Short: "Stand between two systems, and decide every exchange by identity, policy and budget",
		Long: `Listen where clients used to reach a system, and pass on to it what the site file permits. Each message is decided: who asks, by
certificate; may they, by the grants; how many patients did they have, by the budgets. It is on record before its first byte
leaves, and its bytes are never altered. What is refused is answered in the protocol's own words.

A listener in mode observe passes everything on and records what it saw and would have refused: begin with it.

SIGHUP reads the site file again; one with a mistake changes nothing, and /healthz, a metric and a finding say so. SIGTERM and Ctrl-C let every connection end what it is in the
middle of. When systemd holds the sockets (docs/guard.md), clients that come during a restart wait instead of being refused. With --check nothing listens: the file, its certificates and the ledger's keys are read, and what is wrong with them is told, all of the file at once.

Exit status: 0 ended; 1 with --check, the file has mistakes; 2 could not do it, or may not read the file or what it names, or a key
of the ledger is not there or not its own.`,
		Example: `  chaperone guard --example > site.yaml       # a file with every key explained
  chaperone guard --site site.yaml --check    # is it right?
  chaperone guard --site site.yaml`,
		Args: noArguments("; the site file goes with --site"),
		RunE: func(c *cobra.Command, _ []string) error { return runGuard(c, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.site, "site", "", "the site `file` (docs/site-file.md)")
	flags.BoolVar(&f.check, "check", false, "read the file, say what is wrong with it, and do nothing else")
	flags.BoolVar(&f.example, "example", false, "print an example of a site file")
	flags.DurationVar(&f.drain, "drain", 30*time.Second, "how `long` connections may take to end what they are in the middle of")
	_ = c.MarkFlagFilename("site", "yaml", "yml")
	_ = c.RegisterFlagCompletionFunc("drain", cobra.NoFileCompletions)
	f.ledger.addRecording(c)
	return c
}

func runGuard(c *cobra.Command, f guardFlags) error {
	if f.example {
		_, err := io.WriteString(c.OutOrStdout(), site.Example)
		return err
	}
	if f.site == "" {
		return errors.New("guard: which site file? For example: chaperone guard --site site.yaml; chaperone guard --example prints one to begin with")
	}
	s, err := f.load(c.ErrOrStderr())
	if err != nil {
		bad, rules := new(site.Error), new(policy.Error)
		if f.check && (errors.As(err, &bad) && !bad.Unread() || errors.As(err, &rules)) {
			return notHeld{err.Error()}
		}
		return err
	}
	if f.check {
		trust, err := guard.TrustOf(s)
		if path := new(fs.PathError); errors.As(err, &path) && !site.Mistaken(err) {
			return err // nobody knows whether it is good
		}
		if err != nil {
			return notHeld{err.Error()}
		}
		if trust != nil {
			switch term, text := trust.OwnTerm(time.Now()); term {
			case identity.Over:
				return notHeld{"identity: " + text}
			case identity.Ending:
				fmt.Fprintln(c.ErrOrStderr(), "chaperone:", page.Printable(f.site+": warning: "+text))
			}
		}
		at := f.ledger
		at.dir, at.keys = s.Ledger, s.Keys
		if err := at.checkKeys(); err != nil {
			return fmt.Errorf("guard: it would not start: %w", err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is right: policy %s; %s; parties: %d; grants: %d.\n", f.site, s.Version,
			page.Count(len(s.Listeners), "listener"), len(s.Parties), len(s.Grants))
		return err
	}
	return f.run(c, s)
}

// load reads the site file and looks whether the files that it names are there. Warnings go to stderr.
func (f *guardFlags) load(stderr io.Writer) (*site.Site, error) {
	s, err := site.Load(f.site)
	if err != nil {
		return nil, err
	}
	for _, w := range s.Warnings {
		fmt.Fprintln(stderr, "chaperone:", page.Printable(w.In(f.site)))
	}
	s.Ledger = cmp.Or(f.ledger.dir, os.Getenv(ledgerVariable), s.Ledger) // what is not used need not be there
	s.Keys = cmp.Or(f.ledger.keys, s.Keys)
	if missing := s.Check(func(path string) (fs.File, error) { return os.Open(path) }); len(missing) > 0 {
		return nil, &site.Error{Path: f.site, Problems: missing}
	}
	doubts, err := guard.Check(s)
	for _, d := range doubts {
		fmt.Fprintln(stderr, "chaperone:", page.Printable(d.String()))
	}
	return s, err
}

// run guards until the context is done.
func (f *guardFlags) run(c *cobra.Command, s *site.Site) (err error) {
	at := f.ledger // not for the site files that are read later
	at.dir, at.keys = s.Ledger, s.Keys
	at.anyClock = true // feeds go on, and clock-behind tells of it
	again := make(chan os.Signal, 1)
	signal.Notify(again, reloadSignals()...) // before the first of them would end the program: opening a ledger may take long
	defer signal.Stop(again)
	thrift.Room(8<<20, 128<<20)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // one more works while one waits for the disk: a twentieth more messages on two processors
	}
	trust, err := guard.TrustOf(s)
	if err != nil {
		return err
	}
	spool, err := spoolFolder(at.folder())
	if err != nil {
		return err
	}
	sockets, err := inheritedSockets()
	if err != nil {
		return err
	}
	if err := at.checkKeys(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	l, err := at.record(c, func() error { return guard.Free(s, spool, sockets) })
	if err != nil {
		return err
	}
	if l == nil {
		_, err := at.named(c)
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	tokens, err := patient.LoadKey(at.keysFolder())
	if err != nil {
		return err
	}
	log := logger(s, c.ErrOrStderr())
	approvals, err := approval.Beside(at.folder())
	if err != nil {
		return err
	}
	data, err := keys.LoadData(at.keysFolder())
	if err != nil {
		return err
	}
	g, err := guard.Start(c.Context(), guard.Options{Site: s, Ledger: l, Tokens: tokens, Trust: trust, Log: log, Approvals: approvals,
		Spool: spool, SpoolKey: data.Spool, Sockets: sockets})
	if err != nil {
		return err
	}
	stop := f.watchSignals(c, g, again)
	defer stop()
	metrics, err := serveMetrics(s, g, log)
	if err == nil {
		<-c.Context().Done()
		metrics()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), f.drain)
	defer cancel()
	log.Info("ending: connections end what they are in the middle of", "within", f.drain.String())
	return errors.Join(err, g.Drain(ctx))
}

// spoolFolder gives the folder of what a guard keeps for systems that are away: beside the ledger, as approvals are.
func spoolFolder(ledger string) (string, error) {
	whole, err := filepath.Abs(ledger)
	return filepath.Join(filepath.Dir(whole), "spool"), err
}

func logger(s *site.Site, stderr io.Writer) *slog.Logger {
	if s.Log == site.LogJSON {
		return slog.New(slog.NewJSONHandler(stderr, nil))
	}
	return slog.New(slog.NewTextHandler(stderr, nil))
}

// watchSignals reads the site file again at each SIGHUP. A file that is not good changes nothing.
func (f *guardFlags) watchSignals(c *cobra.Command, g *guard.Guard, again <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(c.Context())
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-again:
			}
			s, err := f.load(c.ErrOrStderr())
			if err == nil {
				err = g.Reload(ctx, s)
			}
			if err != nil {
				g.NotTaken(err)
			}
		}
	}()
	return cancel
}

// serveMetrics answers /metrics and /healthz, when the site file says where.
func serveMetrics(s *site.Site, g *guard.Guard, log *slog.Logger) (stop func(), err error) {
	if !s.Metrics.IsValid() {
		return func() {}, nil
	}
	socket, err := guard.Listen(s.Metrics)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	server := &http.Server{Handler: g.Status(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go func() {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	return func() { _ = server.Close() }, nil // nothing of it is worth waiting for
}
