package site

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections gives the keys of every block of the file, by the heading under which they are explained.
func sections() map[string][]string {
	var s Site
	all := map[string][]string{}
	for heading, b := range map[string]block{"The file": s.block(), "identity": s.Identity.block(), "parties": new(Party).block(), "refuse": new(Refusals).block(), "grants": new(Grant).block(),
		"budget": new(Limits).block(), "budgets": s.Budgets.block(), "listeners": new(Listener).block(), "upstream": new(Upstream).block(), "spool": new(Spool).block(), "limits": new(Bounds).block()} {
		for _, f := range b.fields {
			all[heading] = append(all[heading], f.key)
		}
	}
	return all
}

// TestDocumented: docs/site-file.md explains exactly the keys that there are, in their order, and its example is good.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/site-file.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| \\S")
	for heading, want := range sections() {
		_, part, ok := strings.Cut(text, "\n## "+heading+"\n")
		if !ok {
			t.Errorf("no heading %s", heading)
			continue
		}
		part, _, _ = strings.Cut(part, "\n## ")
		var got []string
		for _, match := range row.FindAllStringSubmatch(part, -1) {
			got = append(got, match[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got  %v\nwant %v", heading, got, want)
		}
	}
	_, example, _ := strings.Cut(text, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	s := parse(t, example)
	if len(s.Warnings) != 1 || len(s.Listeners) != 2 {
		t.Errorf("got %v", s.Warnings)
	}
}

// TestExampleWhole: the example has every key.
func TestExampleWhole(t *testing.T) {
	for heading, keys := range sections() {
		for _, key := range keys {
			if !regexp.MustCompile(`(?m)[ {]` + key + `:|^` + key + `:`).MatchString(Example) {
				t.Errorf("%s: %s is not in the example", heading, key)
			}
		}
	}
}
