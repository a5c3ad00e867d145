package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parse reads a file that is good.
func parse(t *testing.T, text string) *Site {
	t.Helper()
	s, problems := Parse([]byte(text))
	if s == nil {
		t.Fatalf("%s", (&Error{"site.yaml", problems}).Error())
	}
	return s
}

// bare takes off what two equal sites may differ in.
func bare(s *Site) Site {
	copied := *s
	copied.lines, copied.index, copied.Comments, copied.Warnings, copied.Version = nil, nil, nil, nil, ""
	return copied
}

// TestExample: the example says what its comments say.
func TestExample(t *testing.T) {
	s := parse(t, Example)
	if len(s.Parties) != 6 || len(s.Grants) != 4 || len(s.Listeners) != 2 {
		t.Errorf("got %d parties, %d grants, %d listeners; want 6, 4, 2", len(s.Parties), len(s.Grants), len(s.Listeners))
	}
	if got := s.Listeners[0].Limits; got != DefaultBounds || got != s.Listeners[1].Limits {
		t.Errorf("got limits %+v, want the defaults", got)
	}
	var warnings []string
	for _, p := range s.Warnings {
		warnings = append(warnings, p.In("example.yaml"))
	}
	want := "example.yaml:161: warning: listener dicom takes patient data in the clear from the network; that is a finding, every day\n" +
		"example.yaml:164: warning: listener dicom passes patient data on in the clear over the network; that is a finding, every day"
	if got := strings.Join(warnings, "\n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	open := fmt.Sprint(s.Unprotected())
	if want := "[{dicom false 0.0.0.0:11112 the tomograph is from 2009 and knows no TLS} {dicom true 10.2.0.10:104 the archive's next version has TLS}]"; open != want {
		t.Errorf("got  %s\nwant %s", open, want)
	}
	if got, want := s.Line(&s.Parties[1]), 50; got != want {
		t.Errorf("the second party is on line %d, want %d", got, want)
	}
	var out bytes.Buffer
	if err := s.Write(&out); err != nil {
		t.Fatal(err)
	}
	if again := parse(t, out.String()); !reflect.DeepEqual(bare(again), bare(s)) {
		t.Errorf("written and read again:\n%s", out.String())
	}
}

// TestDefaults: what a file of the least says.
func TestDefaults(t *testing.T) {
	s := parse(t, "site: a\ninside: [10.0.0.0/8]\nparties: [{name: x}]\nidentity: {authority: a, certificate: c, key: k}\n"+
		"listeners: [{name: l, protocol: hl7, listen: '10.0.0.1:1', upstream: {address: 'localhost:2', party: x}}]\n"+
		"grants: [{name: g, parties: [x], actions: [dicom.*, hl7.send]}]")
	l := s.Listeners[0]
	if l.TLS != Mutual || l.Mode != Enforce || l.Refuse != Reject || l.Upstream.TLS != Mutual || l.Limits != DefaultBounds || s.Log != LogText {
		t.Errorf("got %+v", l)
	}
	if got, want := fmt.Sprintln(s.Grants[0].Actions, s.Grants[0].Whose), "[hl7.send dicom.associate dicom.store dicom.find dicom.get dicom.move dicom.other] named\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if d := DefaultBounds; d.Connections != 1000 || d.PerAddress != 100 || d.Message != 16<<20 || d.Idle != 10*time.Minute || d.FirstByte != 10*time.Second ||
		d.InMessage != time.Minute || d.Handshake != 10*time.Second || d.Pending != 64 || d.Bytes != 500<<20 || d.Session != 8*time.Hour {
		t.Errorf("got %+v", d)
	}
	few := parse(t, "site: a\ninside: [10.0.0.0/8]\nparties: [{name: x}]\nlisteners: [{name: l, protocol: tcp, listen: '127.0.0.1:1', tls: none, because: b, "+
		"upstream: {address: '127.0.0.1:2', tls: none, party: x}, limits: {connections: 20}}]")
	if got := few.Listeners[0].Limits.PerAddress; got != 20 {
		t.Errorf("got %d connections of an address, want the 20 of all", got)
	}
}

// TestLoad: paths are of the file's folder, Cedar files are read, and the version is that of the bytes.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	text := "site: a\ninside: [10.0.0.0/8]\nkeys: keys\ncedar: [own.cedar]\n"
	put(t, dir, "site.yaml", text)
	_, err := Load(filepath.Join(dir, "site.yaml"))
	if want := "site.yaml:4: cedar: " + filepath.Join(dir, "own.cedar") + " is not there"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	put(t, dir, "own.cedar", "forbid (principal, action, resource);")
	s, err := Load(filepath.Join(dir, "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text + "forbid (principal, action, resource);"))
	if want := hex.EncodeToString(sum[:])[:12]; s.Version != want {
		t.Errorf("got version %s, want %s", s.Version, want)
	}
	if want := filepath.Join(dir, "own.cedar"); s.Cedar[0] != want || string(s.Policies[want]) != "forbid (principal, action, resource);" || s.Keys != filepath.Join(dir, "keys") {
		t.Errorf("got %v, %v, %s", s.Cedar, s.Policies, s.Keys)
	}
	put(t, dir, "site.yaml", "sites: a")
	var bad *Error
	if _, err := Load(filepath.Join(dir, "site.yaml")); !errors.As(err, &bad) || len(bad.Problems) != 3 {
		t.Errorf("got %v, want an Error of three problems", err)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
	put(t, dir, "site.yaml", strings.Repeat("#", maxFile+1))
	if _, err := Load(filepath.Join(dir, "site.yaml")); !errors.Is(err, errTooLong) {
		t.Errorf("got %v, want that it is too long", err)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// large is a site of a thousand parties and five hundred grants.
func large() string {
	var b strings.Builder
	b.WriteString("site: large\ninside: [10.0.0.0/8]\nparties:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - name: p%d\n    role: modality\n    groups: [g%d]\n    titles: [AE%d]\n    applications: [APP%d@N]\n    addresses: [10.%d.%d.0/24]\n    hours: mon-fri 07:00-19:00\n    budget: {1h: 5, 24h: 50}\n",
			i, i%50, i, i, i/250, i%250)
	}
	b.WriteString("grants:\n")
	for i := range 500 {
		fmt.Fprintf(&b, "  - name: g %d\n    parties: [p%d]\n    groups: [g%d]\n    actions: [dicom.find, dicom.move]\n    to: [self, p%d]\n    budget: {24h: 100}\n", i, i, i%50, i+1)
	}
	return b.String()
}

func TestLarge(t *testing.T) {
	if s := parse(t, large()); len(s.Parties) != 1000 || len(s.Grants) != 500 {
		t.Errorf("got %d parties and %d grants", len(s.Parties), len(s.Grants))
	}
}

// BenchmarkLarge reads a large site: a command that starts should not be slower for it.
func BenchmarkLarge(b *testing.B) {
	text := []byte(large())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, problems := Parse(text); len(wrong(problems)) > 0 {
			b.Fatal(problems)
		}
	}
}
