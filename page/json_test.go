package page

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONLine: text from outside comes out of a line as it went in, and steers no terminal.
func TestJSONLine(t *testing.T) {
	for _, want := range []string{"", "PACS", `a"b\\c`, "Jürgen", "日本", "\x1b[31mred", "\x7f\u009b31m", "\u202egnp.exe", "a\u2028b", "\U000e0041tag", "<&>", "\x00\t\n"} {
		var line strings.Builder
		if err := JSONLine(&line, map[string]string{"text": want}); err != nil {
			t.Errorf("%+q: %v", want, err)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(line.String()), &got); err != nil || got["text"] != want {
			t.Errorf("%+q: got %+q, %v", want, got["text"], err)
		}
		if body, ended := strings.CutSuffix(line.String(), "\n"); !ended || strings.ContainsFunc(body, Steers) {
			t.Errorf("%+q: the line is %+q", want, line.String())
		}
	}
	if err := JSONLine(&broken{}, func() {}); err == nil {
		t.Error("what is no JSON is written")
	}
	if err := JSONLine(&broken{lines: 1}, 1); err == nil {
		t.Error("a full disk is not told of")
	}
}
