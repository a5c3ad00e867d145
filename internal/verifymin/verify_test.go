package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"chaperone/ledger/proof"
	"chaperone/ledger/seal"
)

// testdata has proofs that ledger/proof made.
const testdata = "../../ledger/proof/testdata"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func knownKeys(t testing.TB) (k keys) {
	t.Helper()
	lines := strings.Fields(string(read(t, "keys.txt")))
	log, err := parseKey(lines[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	w, err := parseKey(lines[1], 4)
	if err != nil {
		t.Fatal(err)
	}
	return keys{log, []vkey{w}}
}

// sameKeys gives them as the verifier of ledger/proof wants them, to which this one is compared.
func sameKeys(t testing.TB) (k proof.Keys) {
	t.Helper()
	lines := strings.Fields(string(read(t, "keys.txt")))
	dir := t.TempDir()
	policy := "need 1\nw1 http://w1.example " + lines[1]
	if err := os.WriteFile(filepath.Join(dir, "witnesses"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	var err1, err2 error
	k.Log, err1 = note.NewVerifier(lines[0])
	k.Witnesses, err2 = seal.ReadWitnesses(dir)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return k
}

// check reads a document and verifies it.
func check(text []byte, k keys, out io.Writer) error {
	d := new(document)
	if err := d.read(text); err != nil {
		return err
	}
	return verify(d, k, out)
}

// TestRun: what holds, what does not, and what was not checked are three statuses.
func TestRun(t *testing.T) {
	lines := strings.Fields(string(read(t, "keys.txt")))
	path := filepath.Join(testdata, "count.json")
	put := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := string(read(t, "count.json"))
	for _, test := range []struct {
		name      string
		args      []string
		status    int
		out, errs string // words; "" is nothing at all
	}{
		{"holds", []string{path, "--key", lines[0], "--witness", lines[1]}, 0, "The proof holds", ""},
		{"does not hold", []string{put("other.json", strings.Replace(whole, `"disclosures": 35`, `"disclosures": 36`, 1)), "--key", lines[0]}, 1, "DOES NOT HOLD", ""},
		{"no proof", []string{put("letter.txt", "Dear Sir,\n"), "--key", lines[0]}, 2, "", "letter.txt was not checked: it is no proof: "},
		{"cut off", []string{put("cut.json", whole[:len(whole)/2]), "--key", lines[0]}, 2, "", "cut.json was not checked: it is no proof: unexpected EOF"},
		{"empty", []string{put("empty.json", ""), "--key", lines[0]}, 2, "", "empty.json was not checked: it is no proof: EOF"},
		{"other JSON", []string{put("other.json", `{"hello": 1}`), "--key", lines[0]}, 2, "", "other.json was not checked: it is no proof: json: unknown field"},
		{"empty JSON", []string{put("object.json", `{}`), "--key", lines[0]}, 2, "", "object.json was not checked: a proof of format"},
		{"a later version", []string{put("later.json", strings.Replace(whole, `"version": 2`, `"version": 3`, 1)), "--key", lines[0]}, 2, "", "version 3"},
		{"no file", []string{"none.json", "--key", lines[0]}, 2, "", "none.json was not checked: open none.json"},
		{"no key", []string{path}, 2, "", "Usage of verifymin PROOF.json"},
		{"a key that is none", []string{path, "--key", "4711"}, 2, "", "not a key NAME+ID+KEY"},
		{"nothing", nil, 2, "", "Usage of verifymin PROOF.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := run(test.args, &out, &errs)
			said := func(text, words string) bool { return strings.Contains(text, words) && (words != "" || text == "") }
			if strings.Count(errs.String(), "Usage") > 1 {
				t.Errorf("it says twice how it is used: %s", &errs)
			}
			if status != test.status || !said(out.String(), test.out) || !said(errs.String(), test.errs) {
				t.Errorf("got status %d, %q and %q; want %d, %q and %q", status, &out, &errs, test.status, test.out, test.errs)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	k := knownKeys(t)
	for name, want := range map[string][]string{
		"disclosure.json":    {"The proof holds", "w1.example saw them at 2027-01-15T08:00:00Z", "PROVEN: disclosure 40 ", `from ["address":"`, "9 identifiers", "3 records with 40000 bytes"},
		"count.json":         {"The proof holds", "batches 118 to 129", "35 disclosures of 315 distinct identifiers", "4 disclosures of 1 batches", "34 DICOM objects"},
		"disclosure-v1.json": {"The proof holds", "PROVEN: disclosure 40 ", "9 identifiers"},
		"count-v1.json":      {"The proof holds", "35 disclosures of 315 distinct identifiers"},
	} {
		var out bytes.Buffer
		if err := check(read(t, name), k, &out); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, words := range want {
			if !strings.Contains(out.String(), words) {
				t.Errorf("%s: got\n%s, want it to say %q", name, &out, words)
			}
		}
	}
}

func TestOtherKeys(t *testing.T) {
	text := read(t, "disclosure.json")
	k := knownKeys(t)
	k.witnesses[0].name = "w2.example"
	if err := check(text, k, io.Discard); err == nil {
		t.Error("holds for a witness that did not cosign")
	}
	k = knownKeys(t)
	k.witnesses[0].key[0] ^= 1
	if err := check(text, k, io.Discard); err == nil {
		t.Error("holds for another key of the witness")
	}
	k = knownKeys(t)
	k.log.key[0] ^= 1
	if err := check(text, k, io.Discard); err == nil {
		t.Error("holds for another key of the ledger")
	}
	vkeys := strings.Fields(string(read(t, "keys.txt")))
	for name, text := range map[string]string{"nothing": "", "no key": "a+b", "a witness's": vkeys[1], "another name": "x" + vkeys[0]} {
		if _, err := parseKey(text, 1); err == nil {
			t.Errorf("%s is taken for a ledger's key", name)
		}
	}
}

// place is a string, number or flag somewhere in a document.
type place struct {
	path  string
	value any
	set   func(any)
}

// places lists all of them.
func places(path string, value any, set func(any)) []place {
	switch v := value.(type) {
	case map[string]any:
		var list []place
		for key, value := range v {
			list = append(list, places(path+"."+key, value, func(n any) { v[key] = n })...)
		}
		return list
	case []any:
		var list []place
		for i, value := range v {
			list = append(list, places(path+"[]", value, func(n any) { v[i] = n })...)
		}
		return list
	}
	return []place{{path, value, set}}
}

// proven reports whether a place is one that a change must not pass: all but words for people, and what is only claimed.
func (p *place) proven() bool {
	number := strings.HasSuffix(p.path, ".way") || strings.HasSuffix(p.path, ".objects")
	return number || !strings.HasPrefix(p.path, ".claimed") && !strings.HasPrefix(p.path, ".you_")
}

// binary reports whether a place has base64 in it.
func (p *place) binary() bool {
	return strings.HasPrefix(p.path, ".batches") || p.path == ".path[]"
}

// changed gives the value with one thing changed so that it means something else.
func (p *place) changed(random *rand.Rand) any {
	switch v := p.value.(type) {
	case bool:
		return !v
	case nil:
		return []any{json.Number("1")}
	case json.Number:
		n, _ := strconv.ParseInt(string(v), 10, 64)
		return json.Number(strconv.FormatInt(n^(1<<random.IntN(20)), 10))
	case string:
		if !p.binary() || len(v) == 0 {
			b := []byte(v + " ")
			i := random.IntN(len(b))
			b[i] ^= 1 << random.IntN(5)
			return string(b)
		}
		b, _ := base64.StdEncoding.DecodeString(v)
		switch random.IntN(4) {
		case 0:
			b = b[:random.IntN(len(b))]
		case 1:
			b = append(b, byte(random.IntN(256)))
		default:
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	return nil
}

// TestMutations changes every proven place of both documents, many of them often: none of the results holds.
func TestMutations(t *testing.T) {
	k := knownKeys(t)
	theirs := sameKeys(t)
	random := rand.New(rand.NewPCG(1, 2))
	tried := 0
	for _, name := range []string{"disclosure.json", "count.json", "disclosure-v1.json"} {
		original := read(t, name)
		load := func() []place {
			var document any
			if err := strict(original, &document); err != nil {
				t.Fatal(err)
			}
			list := places("", document, nil)
			list = append(list, place{set: func(any) {}, value: document})
			return list
		}
		list := load()
		count := len(list) - 1
		for i := range count {
			if !list[i].proven() {
				continue
			}
			rounds := 2
			if list[i].binary() || list[i].path == ".checkpoint" {
				rounds = 40
			}
			for range rounds {
				fresh := load()
				at := slices.IndexFunc(fresh[:count], func(p place) bool { return p.path == list[i].path && p.value == list[i].value })
				p := fresh[at]
				value := p.changed(random)
				p.set(value)
				text, err := json.Marshal(fresh[count].value)
				if err != nil {
					t.Fatal(err)
				}
				tried++
				if err := check(text, k, io.Discard); err == nil {
					t.Errorf("%s: %s changed from %.40v to %.40v still holds", name, p.path, p.value, value)
				}
				if _, err := proof.Verify(text, theirs); err == nil {
					t.Errorf("%s: %s changed from %.40v to %.40v still holds for ledger/proof", name, p.path, p.value, value)
				}
			}
		}
		for range 100 { // and cut off, or with a byte more
			cut := original[:random.IntN(len(original)-2)]
			if check(cut, k, io.Discard) == nil || check(append(slices.Clone(original), '0'), k, io.Discard) == nil {
				t.Errorf("%s: holds when cut off at %d, or with something behind it", name, len(cut))
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d changes were tried, want 500", tried)
	}
	t.Logf("%d changes", tried)
}

// TestStructure removes, repeats and swaps batches and hashes.
func TestStructure(t *testing.T) {
	k := knownKeys(t)
	for _, list := range []string{"batches", "path"} {
		for _, name := range []string{"disclosure.json", "count.json"} {
			for _, change := range []func([]any) []any{
				func(l []any) []any { return l[1:] },
				func(l []any) []any { return l[:len(l)-1] },
				func(l []any) []any { return append(l, l[0]) },
				func(l []any) []any { return append(l[:1:1], l...) },
				func(l []any) []any { return nil },
				func(l []any) []any { slices.Reverse(l); return l[max(0, 2-len(l)):] },
			} {
				var document map[string]any
				if err := strict(read(t, name), &document); err != nil {
					t.Fatal(err)
				}
				document[list] = change(document[list].([]any))
				text, _ := json.Marshal(document)
				if err := check(text, k, io.Discard); err == nil {
					t.Errorf("%s with other %s holds", name, list)
				}
			}
		}
	}
}

// FuzzVerify reads whatever comes.
func FuzzVerify(f *testing.F) {
	k := knownKeys(f)
	f.Add(read(f, "disclosure.json"))
	f.Add(read(f, "count.json"))
	f.Fuzz(func(_ *testing.T, text []byte) { _ = check(text, k, io.Discard) })
}

// FuzzOpen reads parts, pieces and disclosures that were not made by anybody.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("part"), []byte("key"), uint64(0), byte(0))
	f.Fuzz(func(_ *testing.T, part, key []byte, block uint64, how byte) {
		h := make(header, 128)
		copy(h, key)
		copy(h[96:], sum(part))
		h[3], h[32], h[33], h[34], h[35] = '1'+how&1, 0, byte(len(part)>>16), byte(len(part)>>8), byte(len(part))
		b := batch{Header: h, Entries: part, Key: key}
		if how&2 > 0 {
			b.Block, b.Path = &block, [][]byte{sum(key), sum(part)}
		}
		for _, read := range []func(){func() { b.open() }, func() { parseDisclosure(part, 1, 1) }} {
			func() {
				defer func() {
					if r := recover(); r != nil {
						_ = r.(wrong) // and nothing else
					}
				}()
				read()
			}()
		}
	})
}

// TestLength keeps the verifier short enough to be read.
func TestLength(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(b, []byte("\n"))
	}
	if lines > 500 {
		t.Errorf("got %d lines, want 500 at most", lines)
	}
}
