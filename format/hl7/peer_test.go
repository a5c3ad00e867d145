package hl7

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chaperone"
	"chaperone/format"
)

// peerRow is what python-hl7 says about a file: its columns by name.
type peerRow map[string]string

func peerRows(t testing.TB) []peerRow {
	t.Helper()
	b, err := os.ReadFile("testdata/peer/expected.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[1:] // the first line names the peer
	names := strings.Split(lines[0], "\t")
	var rows []peerRow
	for _, line := range lines[1:] {
		row := peerRow{}
		for i, value := range strings.Split(line, "\t") {
			row[names[i]] = value
		}
		rows = append(rows, row)
	}
	return rows
}

func peerFile(t testing.TB, row peerRow) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/peer", row["file"]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPeer compares fields with python-hl7 in every file.
func TestPeer(t *testing.T) {
	rows := peerRows(t)
	if len(rows) < 150 {
		t.Fatalf("got %d files, want them all", len(rows))
	}
	for _, row := range rows {
		t.Run(row["file"], func(t *testing.T) {
			messages, more := Split(peerFile(t, row))
			n, _ := strconv.Atoi(row["n_in_file"])
			if len(messages) <= n || more {
				t.Fatalf("got %d messages, want more than %d", len(messages), n)
			}
			m, err := Parse(messages[n])
			if err != nil {
				t.Fatal(err)
			}
			pids := slices.DeleteFunc(slices.Clone(m.Segments), func(s Segment) bool { return !s.Is("PID") })
			if got := strconv.Itoa(len(pids)); got != row["PID_count"] {
				t.Fatalf("got %s PID, want %s", got, row["PID_count"])
			}
			header, _ := m.Header()
			fields := map[string]Field{"MSH-3": header.Field(3), "MSH-4": header.Field(4), "MSH-9": header.Field(9), "MSH-10": header.Field(10)}
			if len(pids) > 0 {
				fields["PID-3"], fields["PID-5"], fields["PID-7"] = pids[0].Field(3), pids[0].Field(5), pids[0].Field(7)
			}
			for name, f := range fields {
				if got, want := format.Text(f.raw, format.Guess), row[name]; got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			content := m.Read()
			if len(content.Records) != len(pids) {
				t.Fatalf("got %d records, want %d", len(content.Records), len(pids))
			}
			if len(pids) > 0 && !strings.Contains(row["file"], "delimiters") { // TestRead has other separators, and escapes
				comparePeerRecord(t, content.Records[0], row)
			}
		})
	}
}

// comparePeerRecord splits the peer's fields in the plainest way.
func comparePeerRecord(t *testing.T, r chaperone.Record, row peerRow) {
	var got, want []string
	for _, id := range r.Identifiers {
		got = append(got, id.Value.Reveal()+" of "+id.Authority.Reveal()) // invented people, compared
	}
	for repetition := range strings.SplitSeq(row["PID-3"], "~") {
		cx := append(strings.Split(repetition, "^"), "", "", "", "")
		authority := append(strings.Split(cx[3], "&"), "")
		if value := strings.TrimSpace(cx[0]); value != "" && value != `""` {
			want = append(want, value+" of "+strings.TrimSpace(firstOf(authority[0], authority[1])))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("identifiers: got %q, want %q", got, want)
	}
	birth := row["PID-7"][:min(8, len(row["PID-7"]))]
	if got := r.Birth.Reveal(); got != strings.Trim(birth, `"`) { // invented people, compared
		t.Errorf("birth: got %q, want %q", got, birth)
	}
	xpn, _, _ := strings.Cut(row["PID-5"], "~")
	parts := append(strings.Split(xpn, "^"), "", "", "")[:3]
	parts[0], _, _ = strings.Cut(parts[0], "&")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if got, want := r.Name.Reveal(), strings.TrimRight(strings.Join(parts, "^"), "^"); got != want {
		t.Errorf("name: got %q, want %q", got, want)
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestPeerLineEnds reads every file with each kind of line end: the content is the same.
func TestPeerLineEnds(t *testing.T) {
	for _, row := range peerRows(t) {
		b := peerFile(t, row)
		plain := bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		var want Content
		for i, end := range []string{"\n", "\r", "\r\n"} {
			messages, _ := Split(bytes.ReplaceAll(plain, []byte("\n"), []byte(end)))
			m, err := Parse(messages[0])
			if err != nil {
				t.Fatalf("%s: %v", row["file"], err)
			}
			got := m.Read()
			if i == 0 {
				want = got
			}
			if got.ControlID != want.ControlID || got.From != want.From || len(got.Records) != len(want.Records) {
				t.Errorf("%s with line ends %q: got %d records, want %d", row["file"], end, len(got.Records), len(want.Records))
			}
		}
	}
}
