package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWitness: a ledger whose witness runs beside it is cosigned to its end, and verify says so.
func TestWitness(t *testing.T) {
	dir := t.TempDir()
	ledgerDir, keysDir, away := filepath.Join(dir, "l"), filepath.Join(dir, "k"), filepath.Join(dir, "w")
	call := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		var errs saidThere
		if got := run(t.Context(), args, strings.NewReader(""), &out, &errs); got != want {
			t.Fatalf("%s: got exit status %d, want %d: %s", strings.Join(args, " "), got, want, errs.String())
		}
		if text := errs.String(); want == 2 && (strings.Count(text, "\n") != 1 || out.Len() > 0) {
			t.Errorf("%s: want one line on standard error, got %q", strings.Join(args, " "), text)
		}
		return out.String()
	}
	at := []string{"--ledger", ledgerDir, "--keys", keysDir}
	call(0, append([]string{"watch", "../../testdata/peer/dicom-find-one-study.pcapng"}, at...)...)
	var status struct{ Verifier string }
	if err := json.Unmarshal([]byte(call(0, append([]string{"ledger", "status", "--json"}, at...)...)), &status); err != nil {
		t.Fatal(err)
	}
	vkey := strings.TrimSpace(call(0, "witness", "key", "--dir", away, "--name", "witness.example"))

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"witness", "--dir", away, "--name", "witness.example", "--listen", "127.0.0.1:0", "--log", status.Verifier}, strings.NewReader(""), in, io.Discard)
		in.Close()
	}()
	said := make([]byte, 4096)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(said[:n]), "\n")
	if lines[0] != vkey {
		t.Errorf("the witness prints the key %q, and witness key %q", lines[0], vkey)
	}
	url, ok := strings.CutPrefix(lines[1], "listening at ")
	if !ok {
		t.Fatalf("the witness does not say where it listens: %q", lines)
	}
	call(2, "witness", "--dir", away, "--name", "witness.example", "--listen", "127.0.0.1:0") // one is running there
	if err := os.WriteFile(filepath.Join(ledgerDir, witnessesFile), []byte("need 1\nwitness.example "+url+" "+vkey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	call(0, append([]string{"watch", "../../testdata/peer/dicom-store-3assoc.pcapng"}, at...)...)
	var summary struct{ Batches, Witnessed uint64 }
	text := strings.TrimSpace(call(0, append([]string{"ledger", "verify", "--json", "--verifier", status.Verifier}, at...)...))
	if err := json.Unmarshal([]byte(text[strings.LastIndexByte(text, '\n')+1:]), &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Batches == 0 || summary.Witnessed != summary.Batches {
		t.Errorf("got %d of %d batches witnessed, want all", summary.Witnessed, summary.Batches)
	}
	if text := call(0, "ledger", "checkpoint", "--cosigned", "--ledger", ledgerDir); !strings.Contains(text, "\n— witness.example ") {
		t.Errorf("the cosigned checkpoint is %q", text)
	}
	copied := filepath.Join(dir, "copy") // what is advised beside a guard, and the guard goes on
	call(0, append([]string{"ledger", "backup", copied, "--live"}, at...)...)
	call(0, append([]string{"watch", "../../testdata/peer/hl7-mllp-3senders.pcapng"}, at...)...)
	if text := call(1, "ledger", "verify", copied, "--keys", keysDir); !strings.HasPrefix(text, "NOT WHOLE") || !strings.Contains(text, "say so (--backup)") {
		t.Errorf("of a copy that nobody calls a backup: %q", text)
	}
	if text := call(0, "ledger", "verify", "--backup", copied, "--keys", keysDir); !strings.HasPrefix(text, fmt.Sprintf("WHOLE AS FAR AS IT GOES: a backup of the first %d batches; a witness has seen ", summary.Batches)) || strings.Contains(text, "evidence") || strings.Contains(text, "old copy") {
		t.Errorf("of a copy whose ledger goes on: %q", text)
	}
	if text := call(0, "ledger", "verify", "--backup", copied, "--keys", keysDir, "--json"); !strings.Contains(text, `"whole":true`) || !strings.Contains(text, `"backup":true`) || strings.Contains(text, `"known":0`) {
		t.Errorf("of a copy whose ledger goes on: %s", text)
	}
	call(2, "ledger", "restore", copied, "--ledger", filepath.Join(dir, "back"), "--keys", keysDir)
	call(0, "ledger", "export", "--log", "--ledger", copied, "--out", filepath.Join(dir, "log"))
	stop()
	if got := <-ended; got != 0 {
		t.Errorf("after Ctrl-C: got exit status %d, want 0", got)
	}
	origin, _, _ := strings.Cut(status.Verifier, "+")
	sum := sha256.Sum256([]byte(origin))
	if err := os.WriteFile(filepath.Join(away, "forks", hex.EncodeToString(sum[:])+"-0"), []byte("evidence"), 0o600); err != nil {
		t.Fatal(err)
	}
	var told saidThere
	if got := run(ctx, []string{"witness", "--dir", away, "--name", "witness.example", "--listen", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, &told); got != 0 || !strings.Contains(told.String(), origin+": FORK ") {
		t.Errorf("at a start with evidence: got exit status %d and %q", got, told.String())
	}
	call(2, "witness", "key", "--dir", away, "--name", "other.example") // its key has a name
	call(2, "witness", "--dir", away, "--name", "other.example", "--listen", "127.0.0.1:0")
	call(2, "witness", "key", "--dir", filepath.Join(dir, "new"), "--name", "two words")
	call(2, "witness", "--dir", ledgerDir, "--name", "witness.example", "--listen", "127.0.0.1:0") // a folder of something else
	call(2, "witness", "--dir", filepath.Join(ledgerDir, "ledger.json"), "--name", "witness.example")
	call(2, "witness", "--dir", away, "--name", "witness.example", "--log", "nonsense")
	if text := call(1, append([]string{"ledger", "verify"}, "--ledger", filepath.Join(dir, "none"))...); !strings.Contains(text, "NOT WHOLE") {
		t.Errorf("a ledger that is gone: %q", text)
	}
}
