package witness_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger/seal"
)

// garbage is a proof that proves nothing.
var garbage = strings.Repeat("A", 43) + "=\n"

// evidence gives what is kept, and checks that the page says as many forks.
func (s *scene) evidence() []string {
	s.t.Helper()
	paths, _ := filepath.Glob(filepath.Join(s.dir, "forks", "*"))
	resp, err := http.Get(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	if got := strings.Count(string(page), "FORK"); got != len(paths) {
		s.t.Errorf("the page says %d forks, %d are kept", got, len(paths))
	}
	for _, line := range s.witness.Evidence() {
		if line, _ = strings.CutPrefix(line, origin+": "); !strings.Contains(string(page), "\n"+line+"\n") {
			s.t.Errorf("the page does not say %q:\n%s", line, page)
		}
	}
	s.proofs = strings.Count(string(page), "FORK ")
	return paths
}

// proven fails unless one piece of evidence is a proof: two checkpoints of a size, signed by the log, with two roots.
func (s *scene) provenFork(size int64) {
	s.t.Helper()
	paths := s.evidence()
	if len(paths) != 1 || s.proofs != 1 {
		s.t.Fatalf("got %d pieces of evidence, %d of them proofs, want one", len(paths), s.proofs)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		s.t.Fatal(err)
	}
	parts := strings.SplitAfter(string(b), "\n\n") // text, signatures, text, signatures: what anybody can do
	if len(parts) != 4 {
		s.t.Fatalf("not two signed notes:\n%s", b)
	}
	one, _, err := seal.OpenCheckpoint([]byte(parts[0]+strings.TrimSuffix(parts[1], "\n")), s.verifier)
	two, _, again := seal.OpenCheckpoint([]byte(parts[2]+parts[3]), s.verifier)
	if err := errors.Join(err, again); err != nil {
		s.t.Fatalf("%v:\n%s", err, b)
	}
	if one.N != size || two.N != size || one.Hash == two.Hash {
		s.t.Errorf("got checkpoints of %d and %d batches, want two roots of %d", one.N, two.N, size)
	}
}

// want posts a checkpoint and checks the answer, and how many pieces of evidence there are after it.
func (s *scene) want(what string, old int, proof string, checkpoint []byte, code, forks int) {
	s.t.Helper()
	got, _, _ := s.post("old " + strconv.Itoa(old) + "\n" + proof + "\n" + string(checkpoint))
	if got != code {
		s.t.Errorf("%s: got %d, want %d", what, got, code)
	}
	if got := len(s.evidence()); got != forks {
		s.t.Errorf("%s: %d pieces of evidence are kept, want %d", what, got, forks)
	}
}

// proven gives the lines of a proof.
func (s *scene) proven(from, to uint64) string {
	s.t.Helper()
	proof, err := s.log(s.t.TempDir(), 0, to).ProveConsistency(from, to)
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, h := range proof {
		b.WriteString(h.String() + "\n")
	}
	return b.String()
}

// TestPlantedEvidence: checkpoints are public, and whoever sends a genuine one with a wrong proof proves nothing against the log.
func TestPlantedEvidence(t *testing.T) {
	s := newScene(t)
	at := func(salt byte, n uint64) []byte { return s.log(t.TempDir(), salt, n).Latest() }
	s.want("before anything", 0, garbage, at(0, 10), 422, 0)
	s.want("of nothing, before anything", 0, garbage, at(0, 0), 422, 0)
	s.want("of nothing", 0, "", at(0, 0), 200, 0)
	s.want("of nothing, again", 0, garbage, at(0, 0), 422, 0)
	s.want("after nothing", 0, garbage, at(0, 10), 422, 0)
	s.want("first", 0, "", at(0, 10), 200, 0)
	s.want("the one that was cosigned, with a wrong proof", 10, garbage, at(0, 10), 422, 0)
	s.want("larger and genuine, with a wrong proof", 10, garbage, at(0, 12), 422, 1)
	s.want("once more", 10, garbage+garbage, at(0, 12), 422, 1)
	s.want("in between", 10, s.proven(10, 11), at(0, 11), 200, 1)
	s.want("once more, beside another", 11, garbage, at(0, 12), 422, 1)
	s.start()
	s.want("after a start", 11, garbage, at(0, 12), 422, 1)
	s.want("cosigned after all", 11, s.proven(11, 12), at(0, 12), 200, 0)
	s.want("one size, two roots", 12, "", at(1, 12), 409, 1)
	s.want("one size, two roots, again", 12, garbage, at(1, 12), 409, 1)
	s.start()
	s.want("one size, two roots, after a start", 12, "", at(1, 12), 409, 1)
	s.want("another history, longer", 12, garbage, at(1, 15), 422, 2)
}

// TestWithdrawnAtStart: a kill between cosigning and taking the checkpoint out of the evidence.
func TestWithdrawnAtStart(t *testing.T) {
	s := newScene(t)
	at := func(n uint64) []byte { return s.log(t.TempDir(), 0, n).Latest() }
	s.want("first", 0, "", at(10), 200, 0)
	s.want("larger", 10, garbage, at(12), 422, 1)
	path := s.evidence()[0]
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.want("cosigned", 10, s.proven(10, 12), at(12), 200, 0)
	s.stop()
	if err := os.WriteFile(path, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	if got := s.evidence(); len(got) != 0 {
		t.Errorf("got %d pieces of evidence, want none", len(got))
	}
}

// TestRoomForProof: what was planted does not keep a proof out, and proofs are never given up.
func TestRoomForProof(t *testing.T) {
	s := newScene(t)
	at := func(salt byte, n uint64) []byte { return s.log(t.TempDir(), salt, n).Latest() }
	s.want("first", 0, "", at(0, 10), 200, 0)
	for i := range 16 {
		s.want("planted", 10, garbage, at(0, 11+uint64(i)), 422, 1+i)
	}
	s.want("one more", 10, garbage, at(0, 40), 422, 16)
	s.start()
	for salt := byte(1); salt <= 17; salt++ {
		s.want("a proof", 10, "", at(salt, 10), 409, 16)
	}
	for _, path := range s.evidence() {
		if b, _ := os.ReadFile(path); strings.Count(string(b), origin+"\n10\n") != 2 {
			t.Errorf("not two roots of one size:\n%s", b)
		}
	}
}

// TestGrownThrough: a genuine checkpoint that came with a wrong proof, and that the log then went past without showing it, is taken
// out of the evidence where something shows that it is of this history, and nowhere else.
func TestGrownThrough(t *testing.T) {
	for _, test := range []struct {
		name     string
		salt     byte
		size, to uint64
		left     int
	}{
		{"the proof passes through it", 0, 12, 13, 0},
		{"the proof passes over it", 0, 13, 14, 1},
		{"the proof passes through its size", 1, 12, 13, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			at := func(salt byte, n uint64) []byte { return s.log(t.TempDir(), salt, n).Latest() }
			s.want("first", 0, "", at(0, 10), 200, 0)
			s.want("skipped", 10, garbage, at(test.salt, test.size), 422, 1)
			s.want("grown through", 10, s.proven(10, test.to), at(0, test.to), 200, test.left)
			s.want("shown without a proof", int(test.size), garbage, at(0, test.to), 409, test.left)
			s.want("shown to be of another checkpoint", int(test.size), s.proven(test.size, test.to), at(1, test.to), 409, test.left+1)
			s.start()
			s.want("shown", int(test.size), s.proven(test.size, test.to), at(0, test.to), 409, 1+int(test.salt))
			if s.proofs != 1 {
				t.Errorf("got %d proofs, want that of two roots", s.proofs)
			}
		})
	}
}

// TestForkAtCosigning: what was only a suspicion is a proof as soon as the log shows another checkpoint of that size, whether it is
// cosigned or not, and stays one.
func TestForkAtCosigning(t *testing.T) {
	s := newScene(t)
	at := func(salt byte, n uint64) []byte { return s.log(t.TempDir(), salt, n).Latest() }
	s.want("first", 0, "", at(0, 10), 200, 0)
	s.want("another history", 10, garbage, at(1, 12), 422, 1)
	if s.proofs != 0 {
		t.Error("a checkpoint without a proof is a proof")
	}
	s.want("cosigned", 10, s.proven(10, 12), at(0, 12), 200, 1)
	s.provenFork(12)
	s.start()
	s.provenFork(12)
	s.want("either of them again", 12, "", at(1, 12), 409, 1)
	s.want("grown", 12, s.proven(12, 13), at(0, 13), 200, 1)
	s.provenFork(12)

	s = newScene(t)
	s.want("first", 0, "", at(0, 10), 200, 0)
	s.want("a history", 10, garbage, at(1, 12), 422, 1)
	s.want("another, as long", 10, garbage, at(2, 12), 422, 1)
	s.provenFork(12)
	s.want("the first of them again", 10, garbage, at(1, 12), 422, 1)
	s.start()
	s.want("the second of them again, after a start", 10, garbage, at(2, 12), 422, 1)
	s.provenFork(12)
}

// TestForkedAtKill: a kill behind the proof and before the state, or with what an earlier version left.
func TestForkedAtKill(t *testing.T) {
	s := newScene(t)
	at := func(salt byte, n uint64) []byte { return s.log(t.TempDir(), salt, n).Latest() }
	s.want("first", 0, "", at(0, 10), 200, 0)
	s.want("another history", 10, garbage, at(1, 12), 422, 1)
	suspicion := s.evidence()[0]
	kept, err := os.ReadFile(suspicion)
	if err != nil {
		t.Fatal(err)
	}
	s.want("cosigned", 10, s.proven(10, 12), at(0, 12), 200, 1)
	proof := s.evidence()[0]
	s.stop()
	if err := errors.Join(os.Remove(proof), os.WriteFile(suspicion, kept, 0o600)); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.provenFork(12)
}

// TestBorder: a log cannot write a checkpoint that makes the evidence against it be read as something else after a start.
func TestBorder(t *testing.T) {
	s := newScene(t)
	text := func(more string) []byte {
		other := strings.SplitN(string(s.log(t.TempDir(), 1, 10).Latest()), "\n\n", 2)[0]
		signed, err := note.Sign(&note.Note{Text: other + "\n" + more}, s.signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	next := s.log(t.TempDir(), 0, 11).Latest()
	inner := strings.Join(strings.SplitN(string(next), "\n", 4)[:3], "\n") + "\n"
	s.want("first", 0, "", s.log(t.TempDir(), 0, 10).Latest(), 200, 0)
	s.want("with an empty line", 10, "", text("\n"+inner), 400, 0)
	s.want("with another checkpoint in it", 10, "", text(inner), 409, 1)
	s.provenFork(10)
	s.start()
	s.want("that other checkpoint", 10, s.proven(10, 11), next, 200, 1)
	s.provenFork(10)
}
