package disk

import (
	"strings"
	"testing"
)

// TestFullAtOpen: whoever opens for recording is told at once that the disk fills, however short the run is; who asks is not.
func TestFullAtOpen(t *testing.T) {
	for _, test := range []struct {
		used     int
		readOnly bool
		want     string
	}{
		{79, false, ""}, {80, false, "is 80 % full: free space"}, {95, false, "is 95 % full: free space"}, {95, true, ""},
	} {
		o := folders(t)
		o.ReadOnly = test.readOnly
		o.usage = func(string) (int, int64, bool) { return test.used, 1 << 30, true }
		var told []string
		o.Warn = func(text string) { told = append(told, text) }
		l := open(t, o)
		s, err := l.Status()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(told, "\n"); got != test.want && (test.want == "" || !strings.Contains(got, test.want) || len(told) != 1) {
			t.Errorf("%d %%, read only %v: told %q, want %q once", test.used, test.readOnly, got, test.want)
		}
		if got, want := s.Filling() != "", test.used >= 80; got != want {
			t.Errorf("%d %%: the status says what to do: %v, want %v", test.used, got, want)
		}
	}
}
