package witness_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
	return paths
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
