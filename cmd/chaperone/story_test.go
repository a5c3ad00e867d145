package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chaperone/incident"
)

var update = flag.Bool("update", false, "rewrite what docs/story.md says that the command prints")

// row is a line of the table in docs/story.md: what happened, and what is printed under which label.
var row = regexp.MustCompile("(?m)^\\| (.+) \\| `(@?[A-Z][a-z]+ ?[a-z]*|@?[a-z]+)( [^`]*)?` \\|$")

// TestStory keeps docs/story.md true: it runs its command and compares what is printed under each label.
func TestStory(t *testing.T) {
	path, err := filepath.Abs("../../docs/story.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const command = "chaperone investigate testdata/clinic-2016"
	if !bytes.Contains(page, []byte("\n"+command+"\n")) {
		t.Fatalf("docs/story.md does not name the command %q", command)
	}
	printed := paragraphs(t, strings.Fields(command)[1:])
	labels := map[string]bool{}
	told := row.ReplaceAllStringFunc(string(page), func(line string) string {
		cells := row.FindStringSubmatch(line)
		label, says := printed.find(strings.TrimPrefix(cells[2]+cells[3], "@"))
		if label == "" {
			t.Errorf("nothing is printed like %q", cells[2]+cells[3])
			return line
		}
		labels[label] = true
		return fmt.Sprintf("| %s | `%s %s` |", cells[1], label, says)
	})
	for _, s := range incident.Stages {
		if !labels[string(s)] {
			t.Errorf("the stage %s is not told", s)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(told), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if told != string(page) {
		t.Errorf("docs/story.md tells something else than what is printed; see with: go test ./cmd/chaperone -run TestStory -update && git diff docs")
	}
}

// TestReadme keeps the example of the README true: its lines are printed one after the other.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const command = "chaperone investigate testdata/clinic-2016"
	_, rest, found := strings.Cut(string(page), "$ "+command+"\n")
	shown, _, ended := strings.Cut(rest, "  …\n")
	if !found || !ended {
		t.Fatal("the README shows no example")
	}
	if !strings.Contains(printed(t, strings.Fields(command)[1:]), shown) {
		t.Errorf("the README shows something else than what is printed by: %s", command)
	}
}

// said is what is printed, by label.
type said map[string]string

// find gives the label that a text begins with, and what is printed under it.
func (s said) find(text string) (label, says string) {
	for l, printed := range s {
		if strings.HasPrefix(text+" ", l+" ") && len(l) > len(label) {
			label, says = l, printed
		}
	}
	return label, says
}

// paragraphs runs a command and joins the lines of each label.
func paragraphs(t *testing.T, args []string) said {
	t.Helper()
	all, label := said{}, ""
	for line := range strings.Lines(printed(t, args)) {
		switch m := regexp.MustCompile(`^  (\w+(?: in| to)?)  +(.*)`).FindStringSubmatch(strings.TrimRight(line, "\n")); {
		case m != nil:
			label = m[1]
			all[label] = m[2]
		case strings.HasPrefix(line, "         ") && label != "":
			text := strings.TrimSpace(line)
			if regexp.MustCompile(`^(observed|logged|inferred): `).MatchString(text) {
				label = "" // why it is believed is for the report
				continue
			}
			all[label] += " " + text
		default:
			label = ""
		}
	}
	return all
}

// printed runs a command in the root folder and gives what it prints, with times in UTC.
func printed(t *testing.T, args []string) string {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(ledgerVariable, "")
	zone := time.Local
	time.Local = time.UTC
	defer func() { time.Local = zone }()
	t.Chdir(filepath.Join("..", ".."))
	var out, errs bytes.Buffer
	if status := run(t.Context(), args, strings.NewReader(""), &out, &errs); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	return out.String()
}
