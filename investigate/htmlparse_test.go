package investigate

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	tag  = regexp.MustCompile(`<(/?)([a-zA-Z!][a-zA-Z0-9]*)((?:[^"'>]|"[^"]*"|'[^']*')*)>`)
	void = map[string]bool{"meta": true, "link": true, "br": true, "!doctype": true}
)

// wellFormed walks the elements: each that is opened is closed in order, and no id is there twice.
func wellFormed(t *testing.T, doc string) {
	t.Helper()
	var open []string
	ids := map[string]bool{}
	for _, m := range tag.FindAllStringSubmatch(doc, -1) {
		name := strings.ToLower(m[2])
		switch {
		case void[name] || strings.HasSuffix(m[3], "/"):
		case m[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("</%s> closes %v", name, open)
		default:
			open = open[:len(open)-1]
		}
		if id := regexp.MustCompile(` id="([^"]*)"`).FindStringSubmatch(m[3]); id != nil {
			if ids[id[1]] {
				t.Errorf("id %q is there twice", id[1])
			}
			ids[id[1]] = true
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	rest := tag.ReplaceAllString(doc, "")
	if i := strings.IndexByte(rest, '<'); i >= 0 && !strings.Contains(rest[:i], "{") {
		t.Errorf("a < outside an element: %.60q", rest[i:])
	}
	for _, m := range regexp.MustCompile(`(?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(doc, -1) {
		for _, id := range strings.Fields(m[1]) {
			if !ids[id] {
				t.Errorf("nothing has the id %q", id)
			}
		}
	}
}

// tags gives the elements of a page, with the names of their attributes but without values.
func tags(doc string) string {
	var out strings.Builder
	for _, m := range tag.FindAllStringSubmatch(doc, -1) {
		out.WriteString(m[1] + m[2] + regexp.MustCompile(`"[^"]*"`).ReplaceAllString(m[3], "") + "\n")
	}
	return out.String()
}

// stripText leaves the elements only.
func stripText(doc string) string {
	return strings.Join(tag.FindAllString(doc, -1), "\n")
}

func different(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return strings.TrimFunc(strings.Join(x[max(0, i-3):min(len(x), i+4)], " | "), unicode.IsSpace)
		}
	}
	return "one is longer"
}
