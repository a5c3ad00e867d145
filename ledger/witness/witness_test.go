package witness_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger/seal"
	"chaperone/ledger/witness"
)

const origin = "chaperone.ledger/0011223344556677"

func leafOf(salt byte, i uint64) *[seal.LeafSize]byte {
	var leaf [seal.LeafSize]byte
	binary.BigEndian.PutUint64(leaf[:], i)
	leaf[100] = salt
	return &leaf
}

func leaves(salt byte, n uint64) seal.Leaves {
	return func(from uint64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for i := from; i < n; i++ {
				if !yield(leafOf(salt, i)[:], nil) {
					return
				}
			}
		}
	}
}

// scene is one log's key and one witness that knows it.
type scene struct {
	t        testing.TB
	signer   note.Signer
	verifier note.Verifier
	vkey     string // of the log
	dir      string // of the witness
	cosigner *seal.Cosigner
	witness  *witness.Witness
	server   *httptest.Server
	proofs   int // of two histories, as its page says
}

func newScene(t testing.TB) *scene {
	s := &scene{t: t, dir: t.TempDir()}
	skey, vkey, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	s.vkey = vkey
	s.signer, _ = note.NewSigner(skey)
	s.verifier, _ = note.NewVerifier(vkey)
	if err := witness.NewKey(s.dir, "w1.example"); err != nil {
		t.Fatal(err)
	}
	if err := witness.NewKey(s.dir, "w1.example"); err == nil {
		t.Error("a second key took the place of the first")
	}
	if err := witness.AddLog(s.dir, vkey); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start starts the witness from its folder, as after a kill.
func (s *scene) start() {
	s.t.Helper()
	s.stop()
	var err error
	if s.cosigner, err = witness.LoadKey(s.dir, "w1.example"); err != nil {
		s.t.Fatal(err)
	}
	if s.witness, err = witness.Open(s.dir, s.cosigner); err != nil {
		s.t.Fatal(err)
	}
	s.server = httptest.NewServer(s.witness)
}

// stop lets go of the folder.
func (s *scene) stop() {
	if s.server != nil {
		s.server.Close()
		_ = s.witness.Close()
		s.server = nil
	}
}

// log makes a log in a folder and signs n leaves.
func (s *scene) log(dir string, salt byte, n uint64) *seal.Log {
	s.t.Helper()
	l, err := seal.Open(dir, s.verifier, s.signer)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx := context.Background()
	if err := l.Load(ctx, n, leaves(salt, n)); err != nil {
		s.t.Fatal(err)
	}
	if err := l.Checkpoint(ctx, n); err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *scene) policy(dir string, urls ...string) seal.Policy {
	s.t.Helper()
	text := "need 1\n"
	for _, url := range urls {
		text += "w1 " + url + " " + s.cosigner.VerifierKey() + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "witnesses"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	p, err := seal.ReadWitnesses(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *scene) post(body string) (int, string, string) {
	s.t.Helper()
	resp, err := http.Post(s.server.URL+"/add-checkpoint", "text/plain", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header.Get("Content-Type")
}

// TestCosign lets a log and a witness talk: growing, after a restart of both, and after all kinds of tampering.
func TestCosign(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	dir := t.TempDir()
	p := s.policy(dir, s.server.URL)
	l := s.log(dir, 0, 10)
	for _, n := range []uint64{10, 10, 300, 301, 1000} {
		for i := l.Size(); i < n; i++ {
			l.Append(leafOf(0, i))
		}
		if err := l.Checkpoint(ctx, n); err != nil {
			t.Fatal(err)
		}
		answers, err := l.Cosign(ctx, s.server.Client(), p)
		if err != nil || answers[0].Err != nil {
			t.Fatalf("%d: got %v %v", n, err, answers)
		}
		if got := l.WitnessedSize(); got != n || answers[0].Size != n || answers[0].Time.IsZero() {
			t.Errorf("got witnessed size %d, want %d", got, n)
		}
	}
	s.start()
	p = s.policy(dir, s.server.URL)
	l = s.log(dir, 0, 1001)
	if got := l.WitnessedSize(); got != 1000 {
		t.Errorf("after opening again: got witnessed size %d, want 1000", got)
	}
	if a, err := l.Ask(ctx, s.server.Client(), p.Witnesses[0]); err != nil || a.Size != 1001 {
		t.Errorf("asking: got %v %v, want 1001 batches", a, err)
	}
	if l.WitnessedSize() != 1000 {
		t.Error("asking changed what is on disk")
	}
	reader, err := seal.Open(dir, s.verifier, nil)
	if err == nil {
		err = reader.Load(ctx, 1001, leaves(0, 1001))
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Append(leafOf(0, 1001))
	if err := l.Checkpoint(ctx, 1002); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Cosign(ctx, s.server.Client(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Ask(ctx, s.server.Client(), p.Witnesses[0]); !errors.Is(err, seal.ErrMoved) {
		t.Errorf("asking for a log that grew meanwhile: got %v, want ErrMoved", err)
	}
	for _, test := range []struct {
		name string
		salt byte
		n    uint64
		want error
	}{
		{"an old copy", 0, 900, seal.ErrRolledBack},
		{"another history, longer", 1, 1200, seal.ErrRewritten},
		{"another history, as long", 1, 1002, seal.ErrRewritten},
		{"the same", 0, 1002, nil},
		{"longer", 0, 1100, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			fresh := t.TempDir()
			p := s.policy(fresh, s.server.URL)
			l := s.log(fresh, test.salt, test.n)
			if _, err := l.Cosign(ctx, s.server.Client(), p); !errors.Is(err, test.want) {
				t.Errorf("cosigning: got %v, want %v", err, test.want)
			}
			if _, err := l.Ask(ctx, s.server.Client(), p.Witnesses[0]); !errors.Is(err, test.want) {
				t.Errorf("asking: got %v, want %v", err, test.want)
			}
		})
	}
	resp, err := http.Get(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	if !bytes.Contains(page, []byte("batches 1100\n")) || bytes.Count(page, []byte("FORK")) != 2 {
		t.Errorf("the page does not show 1100 batches and two forks:\n%s", page)
	}
	forks, _ := filepath.Glob(filepath.Join(s.dir, "forks", "*"))
	if len(forks) != 2 {
		t.Fatalf("got %d files of evidence, want 2", len(forks))
	}
	for _, path := range forks {
		b, _ := os.ReadFile(path)
		if bytes.Count(b, []byte(origin+"\n")) != 2 {
			t.Errorf("evidence without two checkpoints:\n%s", b)
		}
	}
}

// TestTamperedBehindCheckpoint is a ledger that is opened again with less, or with another cosigned tree, than witnesses saw.
func TestTamperedBehindCheckpoint(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	dir := t.TempDir()
	p := s.policy(dir, s.server.URL)
	l := s.log(dir, 0, 10)
	if _, err := l.Cosign(ctx, s.server.Client(), p); err != nil {
		t.Fatal(err)
	}
	cosigned, _ := os.ReadFile(filepath.Join(dir, "log", "cosigned"))
	for _, test := range []struct {
		name string
		salt byte
		n    uint64
		want error
	}{{"shorter", 0, 9, seal.ErrRolledBack}, {"another", 1, 12, seal.ErrRewritten}, {"the same", 0, 12, nil}} {
		other := t.TempDir()
		s.log(other, test.salt, test.n)
		_ = os.WriteFile(filepath.Join(other, "log", "cosigned"), cosigned, 0o644)
		l, err := seal.Open(other, s.verifier, nil)
		if err == nil {
			err = l.Load(ctx, test.n, leaves(test.salt, test.n))
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := newScene(t)
	ten := s.log(t.TempDir(), 0, 10)
	twenty := s.log(t.TempDir(), 0, 20)
	stranger := newScene(t)
	other := stranger.log(t.TempDir(), 0, 10)
	proof, err := twenty.ProveConsistency(10, 20)
	if err != nil {
		t.Fatal(err)
	}
	var hashes strings.Builder
	for _, h := range proof {
		fmt.Fprintln(&hashes, h)
	}
	text := string(ten.Latest())
	for _, test := range []struct {
		name, body  string
		code        int
		want, media string
	}{
		{"empty", "", 400, "", ""},
		{"no old size", "\n" + text, 400, "", ""},
		{"leading zero", "old 00\n\n" + text, 400, "", ""},
		{"negative", "old -1\n\n" + text, 400, "", ""},
		{"no empty line", "old 0\n" + strings.Replace(text, "\n\n", "\n", 1), 400, "", ""},
		{"not a hash", "old 0\nAAAA\n\n" + text, 400, "", ""},
		{"a hash in another spelling", "old 0\n" + proof[0].String() + "\r\n\n" + text, 400, "", ""},
		{"64 hashes", "old 0\n" + strings.Repeat(proof[0].String()+"\n", 64) + "\n" + text, 400, "", ""},
		{"too large", "old 0\n\n" + text + strings.Repeat("x", 1<<17), 400, "", ""},
		{"not signed", "old 0\n\n" + text[:strings.Index(text, "\n\n")+2], 400, "", ""},
		{"unknown log", "old 0\n\nexample.com/log\n10\n", 404, "", ""},
		{"another key", "old 0\n\n" + string(other.Latest()), 403, "", ""},
		{"changed", "old 0\n\n" + strings.Replace(text, "\n10\n", "\n11\n", 1), 403, "", ""},
		{"old above new", "old 11\n\n" + text, 400, "", ""},
		{"another old size", "old 5\n\n" + text, 409, "0\n", "text/x.tlog.size"},
		{"proof for nothing", "old 0\n" + hashes.String() + "\n" + text, 422, "", ""},
		{"first", "old 0\n\n" + text, 200, "", ""},
		{"first again", "old 0\n\n" + text, 409, "10\n", "text/x.tlog.size"},
		{"same again", "old 10\n\n" + text, 200, "", ""},
		{"no proof", "old 10\n\n" + string(twenty.Latest()), 422, "", ""},
		{"proven", "old 10\n" + hashes.String() + "\n" + string(twenty.Latest()), 200, "", ""},
		{"back", "old 10\n\n" + text, 409, "20\n", "text/x.tlog.size"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, body, media := s.post(test.body)
			if code != test.code || test.want != "" && body != test.want || test.media != "" && media != test.media {
				t.Errorf("got %d %q %s, want %d %q %s", code, body, media, test.code, test.want, test.media)
			}
			if code != 200 {
				return
			}
			signed := test.body[strings.Index(test.body, "\n\n")+2:] + body
			if _, err := note.Open([]byte(signed), note.VerifierList(s.cosigner.Verifier())); err != nil {
				t.Errorf("cosignature: %v", err)
			}
		})
	}
	resp, err := http.Get(s.server.URL + "/add-checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET of add-checkpoint: got %d, want 405", resp.StatusCode)
	}
}

// TestRace offers checkpoints of all sizes at the same time: what was cosigned only grows, also on disk.
func TestRace(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	l := s.log(t.TempDir(), 0, 1)
	type state struct {
		n    uint64
		text []byte
	}
	var states []state
	for n := uint64(1); n <= 40; n++ {
		if n > 1 {
			l.Append(leafOf(0, n-1))
		}
		if err := l.Checkpoint(ctx, n); err != nil {
			t.Fatal(err)
		}
		states = append(states, state{n, l.Latest()})
	}
	var mu sync.Mutex
	var cosigned []uint64
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range states {
				to := states[(i*7+worker*11)%len(states)]
				old := uint64(0)
				for range 3 {
					var body strings.Builder
					fmt.Fprintf(&body, "old %d\n", old)
					if old > 0 && old <= to.n {
						proof, err := l.ProveConsistency(old, to.n)
						if err != nil {
							t.Error(err)
							return
						}
						for _, h := range proof {
							fmt.Fprintln(&body, h)
						}
					}
					body.WriteString("\n" + string(to.text))
					mu.Lock() // so that the order of answers is that of this list
					code, text, _ := s.post(body.String())
					if code == 200 {
						cosigned = append(cosigned, to.n)
					}
					mu.Unlock()
					if code != 409 {
						break
					}
					if _, err := fmt.Sscan(text, &old); err != nil || old > to.n {
						break
					}
				}
			}
		})
	}
	wait.Wait()
	for i := 1; i < len(cosigned); i++ {
		if cosigned[i] < cosigned[i-1] {
			t.Fatalf("cosigned %d after %d", cosigned[i], cosigned[i-1])
		}
	}
	for round := range 20 { // two at the same time, N and N+K, for one old size: one must lose
		old := l.Size()
		var bodies []string
		for range 2 {
			for range 1 + round%3 {
				l.Append(leafOf(0, l.Size()))
			}
			if err := l.Checkpoint(ctx, l.Size()); err != nil {
				t.Fatal(err)
			}
			proof, err := l.ProveConsistency(old, l.Size())
			if err != nil {
				t.Fatal(err)
			}
			var body strings.Builder
			fmt.Fprintf(&body, "old %d\n", old)
			for _, h := range proof {
				fmt.Fprintln(&body, h)
			}
			bodies = append(bodies, body.String()+"\n"+string(l.Latest()))
		}
		codes := make([]int, 2)
		for i := range bodies {
			wait.Go(func() { codes[i], _, _ = s.post(bodies[i]) })
		}
		wait.Wait()
		if codes[0]+codes[1] != 200+409 {
			t.Fatalf("round %d: got %v, want one 200 and one 409", round, codes)
		}
		if codes[0] == 200 { // catch up for the next round
			proof, _ := l.ProveConsistency(sizeOf(t, bodies[0]), l.Size())
			var body strings.Builder
			fmt.Fprintf(&body, "old %d\n", sizeOf(t, bodies[0]))
			for _, h := range proof {
				fmt.Fprintln(&body, h)
			}
			if code, _, _ := s.post(body.String() + "\n" + string(l.Latest())); code != 200 {
				t.Fatalf("round %d: catching up: got %d", round, code)
			}
		}
	}
}

func sizeOf(t *testing.T, body string) uint64 {
	t.Helper()
	tree, err := seal.ParseCheckpoint(body[strings.Index(body, "\n\n")+2:], origin)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(tree.N)
}

// TestState kills the witness in all places of its one write, and damages what it kept.
func TestState(t *testing.T) {
	s := newScene(t)
	if code, _, _ := s.post("old 0\n\n" + string(s.log(t.TempDir(), 0, 10).Latest())); code != 200 {
		t.Fatal(code)
	}
	states, _ := filepath.Glob(filepath.Join(s.dir, "state", "*"))
	if len(states) != 1 {
		t.Fatalf("got %d files, want 1", len(states))
	}
	good, err := os.ReadFile(states[0])
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	open := func() error {
		w, err := witness.Open(s.dir, s.cosigner)
		if err == nil {
			err = w.Close()
		}
		return err
	}
	for n := range len(good) {
		_ = os.WriteFile(states[0]+".new", good[:n], 0o600) // a kill before the rename
		if err := open(); err != nil {
			t.Fatalf("%d bytes of the next state: %v", n, err)
		}
		_ = os.WriteFile(states[0], good[:n], 0o600) // not a kill: damage
		if err := open(); !errors.Is(err, seal.ErrCheckpoint) {
			t.Fatalf("%d bytes of the state: got %v, want ErrCheckpoint", n, err)
		}
		for bit := range 8 {
			flipped := bytes.Clone(good)
			flipped[n] ^= 1 << bit
			_ = os.WriteFile(states[0], flipped, 0o600)
			if err := open(); !errors.Is(err, seal.ErrCheckpoint) {
				t.Fatalf("bit %d of byte %d of the state is flipped: got %v, want ErrCheckpoint", bit, n, err)
			}
		}
		_ = os.WriteFile(states[0], good, 0o600)
	}
	for _, logs := range []string{"x", origin, origin + " " + s.cosigner.VerifierKey()} {
		_ = os.WriteFile(filepath.Join(s.dir, "logs"), []byte("# comment\n"+logs+"\n"), 0o600)
		if err := open(); err == nil {
			t.Errorf("line %q is no error", logs)
		}
	}
}

// TestOneProcess: two witnesses on one folder could cosign two histories, each without knowing of the other.
func TestOneProcess(t *testing.T) {
	s := newScene(t)
	_, err := witness.Open(s.dir, s.cosigner)
	refused(t, err, "another process")
	refused(t, witness.AddLog(s.dir, s.vkey), "another process")
	s.stop()
	w, err := witness.Open(s.dir, s.cosigner)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	_ = os.WriteFile(filepath.Join(s.dir, "logs"), []byte("damaged\n"), 0o600)
	for range 2 { // one that could not be opened is let go
		_, err = witness.Open(s.dir, s.cosigner)
		refused(t, err, "line 1")
	}
}

// TestName: ledgers know a witness's key by its name. Under another one it would be another witness, which forgot everything.
func TestName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	refused(t, witness.NewKey(dir, "two words"), "name")
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made for a name that is none")
	}
	other := t.TempDir()
	_ = os.WriteFile(filepath.Join(other, "ledger.json"), nil, 0o600)
	refused(t, witness.NewKey(other, "east.example"), "not empty")
	refused(t, witness.NewKey(filepath.Join(other, "ledger.json"), "east.example"), "not a folder")
	_, err := witness.LoadKey(filepath.Join(other, "ledger.json"), "east.example")
	refused(t, err, "not a folder")
	if err := witness.NewKey(dir, "east.example"); err != nil {
		t.Fatal(err)
	}
	first, err := witness.LoadKey(dir, "east.example")
	if err != nil {
		t.Fatal(err)
	}
	_, err = witness.LoadKey(dir, "west.example")
	refused(t, err, "east.example")
	path := filepath.Join(dir, witness.KeyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed, _, _ := strings.Cut(string(text), " ")
	_ = os.WriteFile(path, []byte(seed+"\n"), 0o600) // made by hand, or by a version that did not write the name
	if again, err := witness.LoadKey(dir, "east.example"); err != nil || again.VerifierKey() != first.VerifierKey() {
		t.Errorf("a key without its name: got %v", err)
	}
	for _, text := range []string{"", seed[1:], seed + " east.example west.example", "east.example " + seed} {
		_ = os.WriteFile(path, []byte(text+"\n"), 0o600)
		_, err := witness.LoadKey(dir, "east.example")
		refused(t, err, "not a key")
	}
}

func refused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says %q", err, words)
	}
}

// TestUnreachable has witnesses that do not answer as they should: the log goes on without them.
func TestUnreachable(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	dir := t.TempDir()
	l := s.log(dir, 0, 10)
	for name, answer := range map[string]http.HandlerFunc{
		"not found":        http.NotFound,
		"no signature":     func(w http.ResponseWriter, _ *http.Request) {},
		"nonsense":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") },
		"conflict forever": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409); fmt.Fprintln(w, 5) },
		"conflict, empty":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) },
		"forbidden":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"endless":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, forever{}, 1<<20) },
	} {
		server := httptest.NewServer(answer)
		answers, err := l.Cosign(ctx, server.Client(), s.policy(dir, server.URL))
		server.Close()
		if err != nil || answers[0].Err == nil || l.WitnessedSize() != 0 {
			t.Errorf("%s: got %v %v, want an answer with an error and nothing witnessed", name, err, answers)
		}
	}
	p := s.policy(dir, s.server.URL)
	s.server.Close()
	if answers, err := l.Cosign(ctx, http.DefaultClient, p); err != nil || answers[0].Err == nil ||
		!strings.HasPrefix(answers[0].Err.Error(), "it cannot be reached: ") || strings.Contains(answers[0].Err.Error(), "http") {
		t.Errorf("nobody there: got %v %v", err, answers)
	}
}

type forever struct{}

func (forever) Read(b []byte) (int, error) { return len(b), nil }

// TestQuorum needs two of three witnesses, of which one after the other goes away or lies.
func TestQuorum(t *testing.T) {
	ctx := context.Background()
	s := newScene(t)
	dir := t.TempDir()
	text := "need 2\n"
	var servers []*httptest.Server
	for i := range 3 {
		away := t.TempDir()
		name := fmt.Sprintf("w%d.example", i)
		if err := witness.NewKey(away, name); err != nil {
			t.Fatal(err)
		}
		cosigner, err := witness.LoadKey(away, name)
		if err != nil {
			t.Fatal(err)
		}
		logs, _ := os.ReadFile(filepath.Join(s.dir, "logs"))
		_ = os.WriteFile(filepath.Join(away, "logs"), logs, 0o600)
		w, err := witness.Open(away, cosigner)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(w)
		defer server.Close()
		servers = append(servers, server)
		text += fmt.Sprintf("w%d %s %s\n", i, server.URL, cosigner.VerifierKey())
	}
	_ = os.WriteFile(filepath.Join(dir, "witnesses"), []byte(text), 0o644)
	p, err := seal.ReadWitnesses(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := s.log(dir, 0, 10)
	step := func(n, want uint64, wantErr error, cosignatures int) {
		t.Helper()
		for i := l.Size(); i < n; i++ {
			l.Append(leafOf(0, i))
		}
		if err := l.Checkpoint(ctx, n); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Cosign(ctx, http.DefaultClient, p); !errors.Is(err, wantErr) {
			t.Errorf("%d: got %v, want %v", n, err, wantErr)
		}
		if got := l.WitnessedSize(); got != want {
			t.Errorf("%d: got witnessed size %d, want %d", n, got, want)
		}
		if _, seen, err := p.Open(l.Cosigned(), s.verifier); err != nil || len(seen) != cosignatures {
			t.Errorf("%d: got cosignatures %v %v, want %d", n, seen, err, cosignatures)
		}
	}
	step(10, 10, nil, 3)
	servers[0].Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintln(w, 1_000_000)
	})
	step(20, 20, seal.ErrRolledBack, 2) // a lie, or the truth: two others say so or not
	servers[0].Close()
	step(30, 30, nil, 2)
	servers[1].Close()
	step(40, 30, nil, 2)
}

// FuzzAdd sends whatever comes.
func FuzzAdd(f *testing.F) {
	s := newScene(f)
	f.Add([]byte("old 0\n\n" + string(s.log(f.TempDir(), 0, 3).Latest())))
	f.Add([]byte("old 3\nAAAA\n\n" + origin + "\n3\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRecorder()
		s.witness.ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/add-checkpoint", bytes.NewReader(body)))
		if r.Code >= 500 {
			t.Errorf("got %d", r.Code)
		}
	})
}

// TestTerse: where two roots of one size meet, C2SP tlog-witness asks of a witness for the status 409 and no more. Ours says which
// size as well; one that does not is understood all the same.
func TestTerse(t *testing.T) {
	s := newScene(t)
	terse := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		says := httptest.NewRecorder()
		s.witness.ServeHTTP(says, r)
		rw.WriteHeader(says.Code)
		if says.Code != http.StatusConflict || !bytes.HasPrefix(body, []byte("old "+says.Body.String())) {
			_, _ = rw.Write(says.Body.Bytes())
		}
	}))
	defer terse.Close()
	for _, test := range []struct {
		salt byte
		want error
	}{{0, nil}, {1, seal.ErrRewritten}} {
		dir := t.TempDir()
		p := s.policy(dir, terse.URL)
		l := s.log(dir, test.salt, 10)
		if _, err := l.Cosign(t.Context(), terse.Client(), p); !errors.Is(err, test.want) {
			t.Errorf("history %d: got %v, want %v", test.salt, err, test.want)
		}
	}
}

// TestMethods: whoever asks in another way is told in which to ask.
func TestMethods(t *testing.T) {
	s := newScene(t)
	for _, test := range []struct {
		method, path, allow string
		code                int
	}{
		{http.MethodGet, "/add-checkpoint", "POST", http.StatusMethodNotAllowed},
		{http.MethodPost, "/", "GET, HEAD", http.StatusMethodNotAllowed},
		{http.MethodHead, "/", "", http.StatusOK},
		{http.MethodPost, "/add-checkpoint/", "", http.StatusNotFound},
	} {
		req, err := http.NewRequest(test.method, s.server.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.code || resp.Header.Get("Allow") != test.allow {
			t.Errorf("%s %s: got %d and %q, want %d and %q", test.method, test.path, resp.StatusCode, resp.Header.Get("Allow"), test.code, test.allow)
		}
	}
}

// TestUnkept: what could not be kept is not answered, and forgotten.
func TestUnkept(t *testing.T) {
	s := newScene(t)
	state := filepath.Join(s.dir, "state")
	if err := os.Remove(state); err != nil { // as a disk that has gone
		t.Fatal(err)
	}
	var told []string
	s.witness.Warn = func(text string) { told = append(told, text) }
	body := "old 0\n\n" + string(s.log(t.TempDir(), 0, 10).Latest())
	if code, text, _ := s.post(body); code != http.StatusInternalServerError || strings.Contains(text, "\u2014 ") || strings.Contains(text, s.dir) {
		t.Errorf("without a place to keep it: got %d %q", code, text)
	}
	if len(told) != 1 || !strings.Contains(told[0], "was not cosigned: ") {
		t.Errorf("the operator was told %q", told)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := s.post("old 0\n\n" + string(s.log(t.TempDir(), 1, 8).Latest())); code != 200 {
		t.Errorf("another, of which nobody was told of the first: got %d, want 200", code)
	}
	if code, size, _ := s.post(body); code != 409 || size != "8\n" {
		t.Errorf("the first again: got %d %q, want 409 and 8", code, size)
	}
}
