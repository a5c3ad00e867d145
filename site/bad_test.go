package site

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite expected output")

const mark = "# want: "

// TestBad: each file of testdata/bad.txtar gets what its last lines want: all its problems, at their lines.
func TestBad(t *testing.T) {
	const name = "testdata/bad.txtar"
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range archive.Files {
		f := &archive.Files[i]
		t.Run(f.Name, func(t *testing.T) {
			text, want := string(f.Data), ""
			if at := strings.Index(text, mark); at >= 0 {
				text, want = text[:at], text[at:]
			}
			_, problems := Parse([]byte(text))
			var got strings.Builder
			for _, p := range problems {
				fmt.Fprintf(&got, "%s%s\n", mark, strings.TrimPrefix(p.In(""), ":"))
			}
			if *update {
				f.Data = []byte(text + got.String())
				return
			}
			if got.String() != want {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
			if got.Len() == 0 {
				t.Error("nothing is said of it")
			}
		})
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBytes: files that are no text that a parser should see.
func TestBytes(t *testing.T) {
	for _, test := range []struct {
		name, file, want string
	}{
		{"tabs", "site: a\n\tinside: x\nlog:\tjson\n", "f:2: a tab; YAML wants spaces\nf:3: a tab; YAML wants spaces"},
		{"byte order mark", "\xef\xbb\xbfsite: a\n", "f:1: the file begins with a byte order mark; save it as UTF-8 without one"},
		{"UTF-16", "\xff\xfes\x00i\x00", "f:1: the file begins with a byte order mark; save it as UTF-8 without one"},
		{"Latin-1", "site: a\n# caf\xe9\n", "f:2: a character that is not UTF-8; save the file as UTF-8"},
		{"control character", "site: \x00\n", "f:1: a control character"},
		{"too long", strings.Repeat("# long\n", maxFile/7+1), "f: the file is longer than 1 MiB"},
		{"line ends of Windows", "site: a\r\ninside: [10.0.0.0/8]\r\n", ""},
		{"more than anybody reads", "site: a\ninside: [10.0.0.0/8]\n" + strings.Repeat("x: 1\n", 2*maxProblems), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, problems := Parse([]byte(test.file))
			if len(problems) > maxProblems+1 {
				t.Errorf("got %d problems", len(problems))
			}
			if test.name == "more than anybody reads" {
				if got := problems[maxProblems].Text; got != "and more problems behind this line" {
					t.Errorf("got %q", got)
				}
				return
			}
			if got := (&Error{"f", problems}).Error(); got != test.want || (s != nil) != (test.want == "") {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestEscapes: what YAML lets in by an escape does not steer a terminal.
func TestEscapes(t *testing.T) {
	for _, line := range []string{`ledger: "a\x1b[2J"`, `parties: [{name: a, applications: ["A\x00"]}]`, `parties: [{name: a, applications: ["A @B"]}]`,
		`parties: [{name: a, titles: ["A\x07"]}]`, `parties: [{name: a, subject: "CN=a\u202e"}]`, `parties: [{name: "a\n"}]`} {
		if s, _ := Parse([]byte("site: a\ninside: [10.0.0.0/8]\n" + line)); s != nil {
			t.Errorf("%s is taken", line)
		}
	}
}

// TestNoSecret: what was put in a wrong place is not repeated, wherever that is.
func TestNoSecret(t *testing.T) {
	const secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgA+B/C"
	lines := strings.Split(Example, "\n")
	for i, line := range lines {
		key, _, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, bad := range []string{key + ": " + secret, key + ": [" + secret + "]", key + ": {" + secret + ": " + secret + "}", secret + ": x", secret} {
			file := strings.Join(append(append(append([]string{}, lines[:i]...), bad), lines[i+1:]...), "\n")
			_, problems := Parse([]byte(file))
			if text := (&Error{"f", problems}).Error(); bytes.Contains([]byte(text), []byte(secret)) {
				t.Fatalf("line %d as %s: the secret is in the message: %s", i+1, strings.ReplaceAll(bad, secret, "…"), text)
			}
		}
	}
}
