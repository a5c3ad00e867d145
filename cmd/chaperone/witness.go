package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ledger/seal"
	"chaperone/ledger/witness"
	"chaperone/page"
)

// witnessFlags are the options of chaperone witness as they are typed.
type witnessFlags struct {
	dir, name, listen string
	logs              []string
}

func newWitness() *cobra.Command {
	var f witnessFlags
	c := &cobra.Command{
		Use:   "witness --dir DIR",
		Short: "Cosign the checkpoints of ledgers on other hosts",
		Long: `Answer ledgers on other hosts: each new checkpoint is cosigned if it continues the one before, and that is all. Whoever rewrites
such a ledger later, with all keys of its host at hand, cannot do so unnoticed; what does not fit together is kept as
evidence. It learns nothing about patients, only answers, and calls nobody (C2SP tlog-witness). Put a web server that speaks
TLS before it.

A ledger asks those whom the file ` + witnessesFile + ` in its folder names: a line "need K", how many must cosign, then a line
"NAME URL KEY" for each, where KEY is what this command prints first. Its folder must never be put back to an earlier state.

Exit status: 0 ended by Ctrl-C; 2 could not do it.`,
		Example: `  chaperone witness key --dir /var/lib/chaperone/witness --name witness.example.org
  chaperone witness --dir /var/lib/chaperone/witness --name witness.example.org --log 'chaperone.ledger/0123456789abcdef+ab12cd34+AV4…'`,
		Args: noArguments("; the witness's folder goes with --dir; chaperone witness key prints its key"),
		RunE: func(c *cobra.Command, _ []string) error { return runWitness(c, f) },
	}
	flags := c.PersistentFlags()
	flags.StringVar(&f.dir, "dir", "", "`folder` of the witness: its key, and what it has seen; it is made when it is not there")
	flags.StringVar(&f.name, "name", "", "`name` of the witness, most often its address without https://: its key has it, and it stays the same")
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8390", "`address` to answer at")
	c.Flags().StringArrayVar(&f.logs, "log", nil, "public `key` of a ledger to cosign for, as ledger status prints it; it is remembered")
	_ = c.MarkPersistentFlagDirname("dir")
	_ = c.RegisterFlagCompletionFunc("name", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("listen", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("log", cobra.NoFileCompletions)
	c.AddCommand(&cobra.Command{
		Use:     "key",
		Short:   "Print a witness's public key, and make one where there is none",
		Long:    "Print the public key that ledgers write into their file " + witnessesFile + ". Where there is none, the folder and a key are made.",
		Example: `  chaperone witness key --dir /var/lib/chaperone/witness --name witness.example.org`,
		Args:    noArguments("; the witness's folder goes with --dir"),
		RunE: func(c *cobra.Command, _ []string) error {
			key, err := f.key()
			if err == nil {
				_, err = fmt.Fprintln(c.OutOrStdout(), key.VerifierKey())
			}
			return err
		},
	})
	return c
}

// key reads the witness's key, and makes it where there is none and nothing was cosigned with one.
func (f *witnessFlags) key() (*seal.Cosigner, error) {
	if f.dir == "" {
		return nil, errors.New("witness: which folder? For example: --dir /var/lib/chaperone/witness (--help says more)")
	}
	if f.name == "" {
		return nil, errors.New("witness: under which name? For example: --name witness.example.org; it must stay the same")
	}
	if _, err := os.Lstat(filepath.Join(f.dir, witness.KeyFile)); errors.Is(err, fs.ErrNotExist) {
		if seen, _ := filepath.Glob(filepath.Join(f.dir, "state", "*")); len(seen) > 0 {
			return nil, fmt.Errorf("witness: %s: has cosigned and lost its key (%s): restore that file from a backup", f.dir, witness.KeyFile)
		}
		if err := witness.NewKey(f.dir, f.name); err != nil {
			return nil, fmt.Errorf("witness: %w", err)
		}
	}
	return witness.LoadKey(f.dir, f.name)
}

func runWitness(c *cobra.Command, f witnessFlags) error {
	key, err := f.key()
	if err != nil {
		return err
	}
	for _, vkey := range f.logs {
		if err := witness.AddLog(f.dir, vkey); err != nil {
			return err
		}
	}
	w, err := witness.Open(f.dir, key)
	if err != nil {
		return err
	}
	return errors.Join(f.listenAs(c, w, key), w.Close())
}

// listenAs answers until the context is done.
func (f *witnessFlags) listenAs(c *cobra.Command, w *witness.Witness, key *seal.Cosigner) error {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if _, err := fmt.Fprintf(c.OutOrStdout(), "%s\nlistening at http://%s\n", key.VerifierKey(), listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	var mu sync.Mutex
	w.Warn = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "chaperone: "+page.Clean(text, 500))
	}
	for _, line := range w.Evidence() { // its page says it too
		w.Warn(line)
	}
	return serve(c.Context(), listener, w)
}

// How long somebody may take: requests and answers are small.
const (
	requestTime  = 10 * time.Second
	shutdownTime = 5 * time.Second
)

// serve answers until ctx is done, and then those who have asked already.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: requestTime, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("witness: %w", err)
	case <-ctx.Done():
	}
	patience, stop := context.WithTimeout(context.Background(), shutdownTime)
	defer stop()
	err := server.Shutdown(patience)
	<-failed
	return err
}
