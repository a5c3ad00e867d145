package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chaperone/ledger/keys"
	"chaperone/ledger/lock"
)

const startSite = `site: north
inside: [127.0.0.0/8]
ledger: ledger
keys: keys
%s
parties:
  - {name: lab, role: lab, addresses: [127.0.0.1/32]}
  - {name: ehr, role: engine, addresses: [127.0.0.2/32]}
listeners:
  - {name: hl7, protocol: hl7, listen: "%s", tls: none, because: this is a test, upstream: {address: 127.0.0.1:9, tls: none, because: this is a test, party: ehr}}
`

// TestGuardStartsNot: a guard that cannot start says why and what to do, and leaves neither a ledger nor keys behind.
func TestGuardStartsNot(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := other.Addr().String()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, metrics, listen string
		spool                 bool // of another guard
		want                  string
	}{
		{"the port is taken", "", taken.Addr().String(), false, "another program listens at"},
		{"the port of the metrics is taken", "metrics: " + taken.Addr().String(), free, false, "metrics: another program listens at"},
		{"the spool is another guard's", "", free, true, "give each guard's ledger a folder above it of its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "site.yaml")
			if err := os.WriteFile(path, fmt.Appendf(nil, startSite, test.metrics, test.listen), 0o600); err != nil {
				t.Fatal(err)
			}
			if test.spool {
				spool := filepath.Join(dir, "spool", "hl7")
				if err := os.MkdirAll(spool, 0o700); err != nil {
					t.Fatal(err)
				}
				held, err := lock.Take(filepath.Join(spool, lock.File), false)
				if err != nil {
					t.Fatal(err)
				}
				defer held.Close()
			}
			var stderr bytes.Buffer
			if status := run(t.Context(), []string{"guard", "--site", path}, strings.NewReader(""), new(bytes.Buffer), &stderr); status != statusNot || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("got status %d and %s, want %s", status, stderr.String(), test.want)
			}
			for _, made := range []string{"ledger", "keys"} {
				if _, err := os.Stat(filepath.Join(dir, made)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("it made %s (%v)", made, err)
				}
			}
		})
	}
}

// TestGuardKeyModes: --check and a start refuse a key of the ledger that others may read, as they do with the guard's own.
func TestGuardKeyModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits do not show who may read a file")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "site.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, startSite, "", "127.0.0.1:2575"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Make(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "keys", keys.TokenFile)
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"guard", "--site", path, "--check"}, {"guard", "--site", path}} {
		var stderr bytes.Buffer
		if status := run(t.Context(), args, strings.NewReader(""), new(bytes.Buffer), &stderr); status != statusNot || !strings.Contains(stderr.String(), "chmod 600 "+token) {
			t.Errorf("%v: got status %d and %s", args, status, stderr.String())
		}
	}
}
