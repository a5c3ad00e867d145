package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
	"chaperone/ledger/proof"
)

// hold keeps a ledger open for writing until the end of the script, as another process would: hold DIR KEYS.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	l, err := disk.Open(context.Background(), disk.Options{Dir: ts.MkAbs(args[0]), Keys: ts.MkAbs(args[1]), Existing: true})
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

// jsonLines wants the output of the last command, or a file, to be JSON Lines, each with a kind, and the last of this one:
// jsonlines KIND [FILE].
func jsonLines(ts *testscript.TestScript, _ bool, args []string) {
	last := ""
	for _, line := range strings.Split(strings.TrimSuffix(ts.ReadFile(append(args, "stdout")[1]), "\n"), "\n") {
		var v struct{ Kind string }
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Kind == "" {
			ts.Fatalf("not a JSON line with a kind: %v: %s", err, line)
		}
		last = v.Kind
	}
	if last != args[0] {
		ts.Fatalf("the last line is of kind %q, want %q", last, args[0])
	}
}

// oneLine wants the last command to have said one line on standard error: oneline.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	if text := ts.ReadFile("stderr"); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "chaperone: ") {
		ts.Fatalf("want one line, got %q", text)
	}
}

// proven checks a proof with the key of a ledger's description: proven FILE LEDGER.
func proven(ts *testscript.TestScript, neg bool, args []string) {
	meta, err := keys.ReadMeta(ts.MkAbs(args[1]))
	ts.Check(err)
	v, err := keys.ParseVerifier(meta.Verifier)
	ts.Check(err)
	if _, err = proof.Verify([]byte(ts.ReadFile(args[0])), proof.Keys{Log: v}); (err != nil) != neg {
		ts.Fatalf("proof: %v", err)
	}
}

// listing writes names, sizes and digests of all files of a folder: listing DIR FILE.
func listing(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	dir := ts.MkAbs(args[0])
	ts.Check(filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		_, sum, err := disk.Digest(path)
		b.WriteString(strings.TrimPrefix(path, dir) + " " + sum + "\n")
		return err
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o600))
}

// flip changes one bit of a file, of the byte in its middle: flip FILE.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

// find puts the first match of a field in JSON Lines into an environment variable: find NAME "kind" "field".
func find(ts *testscript.TestScript, _ bool, args []string) {
	for _, line := range strings.Split(ts.ReadFile("stdout"), "\n") {
		var v map[string]any
		if json.Unmarshal([]byte(line), &v) != nil || v["kind"] != args[1] {
			continue
		}
		switch field := v[args[2]].(type) {
		case string:
			ts.Setenv(args[0], field)
			return
		case []any:
			if len(field) > 0 {
				ts.Setenv(args[0], field[0].(string))
				return
			}
		}
	}
	ts.Fatalf("no %s with %s", args[1], args[2])
}

// TestStopped: Ctrl-C in the middle of something is told in plain words, and what it left says what to do.
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	call := func(ctx context.Context, want int, says string, args ...string) {
		t.Helper()
		var said saidThere
		if got := run(ctx, append(args, "--keys", at("k")), strings.NewReader(""), io.Discard, &said); got != want {
			t.Errorf("%s: got exit status %d, want %d: %s", strings.Join(args[:2], " "), got, want, said.String())
		}
		if text := said.String(); want != statusDone && (strings.Count(text, "\n") != 1 || !strings.Contains(text, says)) {
			t.Errorf("%s: got %q, want one line that says %q", strings.Join(args[:2], " "), text, says)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	call(t.Context(), statusDone, "", "watch", "../../testdata/peer/dicom-store-3assoc.pcapng", "--ledger", at("l"))
	call(stopped, statusNot, ": stopped before the end", "ledger", "verify", at("l"))
	call(stopped, statusNot, ": stopped before the end", "ledger", "backup", at("copy"), "--ledger", at("l"))
	call(t.Context(), statusNot, "this is a backup", "ledger", "status", at("copy"))
	call(t.Context(), statusNot, "not finished", "ledger", "restore", at("copy"), "--ledger", at("back"))
	call(t.Context(), statusDone, "", "ledger", "backup", at("copy"), "--ledger", at("l"))
	call(t.Context(), statusDone, "", "ledger", "restore", at("copy"), "--ledger", at("back"))
	call(t.Context(), statusNot, "not empty; name a new folder", "ledger", "restore", at("copy"), "--ledger", at("back"))
	if err := os.MkdirAll(filepath.Join(at("begun"), "record"), 0o700); err != nil { // as one that was stopped leaves it
		t.Fatal(err)
	}
	call(t.Context(), statusNot, "remove it", "ledger", "restore", at("copy"), "--ledger", at("begun"))
}

// saidThere is standard error of a run whose goroutines may write to it at a time.
type saidThere struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *saidThere) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

// TestFollow: a disclosure is on record before it is told, the ledger is for one process meanwhile, and Ctrl-C ends it well.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	ledgerDir, keysDir := filepath.Join(dir, "l"), filepath.Join(dir, "k")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out, in := io.Pipe()
	status := make(chan int, 1)
	var stderr saidThere
	go func() {
		status <- run(ctx, []string{"watch", "--follow", "--json", "--ledger", ledgerDir, "--keys", keysDir, "../../testdata/clinic.pcapng"}, strings.NewReader(""), in, &stderr)
		in.Close()
	}()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(first, `"kind":"disclosure"`) {
		t.Fatalf("no disclosure was told: %q, %v", first, err)
	}
	var said saidThere
	if got := run(t.Context(), []string{"scope", "--ledger", ledgerDir, "--keys", keysDir}, strings.NewReader(""), io.Discard, &said); got != statusNot {
		t.Errorf("asking while somebody writes: got exit status %d, want %d", got, statusNot)
	}
	if text := said.String(); strings.Count(text, "\n") != 1 {
		t.Errorf("asking while somebody writes says %q, want one line", text)
	}
	stop()
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Count(first+string(rest), `{"kind":"disclosure"`)
	if got := <-status; got != statusDone && !strings.Contains(stderr.String(), "reading was stopped") {
		t.Errorf("after Ctrl-C: got exit status %d: %s", got, stderr.String())
	}
	var scope bytes.Buffer
	if got := run(t.Context(), []string{"scope", "--json", "--ledger", ledgerDir, "--keys", keysDir}, strings.NewReader(""), &scope, &said); got != statusDone {
		t.Fatalf("asking afterwards: got exit status %d: %s", got, said.String())
	}
	if want := fmt.Sprintf(`"disclosures":%d,`, told); !strings.Contains(scope.String(), want) {
		t.Errorf("%d disclosures were told, and the ledger says %s", told, scope.String())
	}
}
