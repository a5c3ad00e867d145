package guard

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestReloadIdentity: a site file that names other files to believe is not taken while the guard runs, rather than half of it.
func TestReloadIdentity(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	e := secure(t, server)
	r := tlsRig(t, p, e, "")
	file := fmt.Sprintf(tlsSite, p.dir, e.Addr(), "")
	for _, test := range []struct {
		name, file string
		want       error
	}{
		{"a comment more", file + "# more\n", nil},
		{"another authority", strings.Replace(file, "/authority,", "/other,", 1), errTrust},
		{"another key", strings.Replace(file, "guard.key", "other.key", 1), errTrust},
		{"another name", strings.Replace(file, "site: north", "site: south", 1), errTrust},
	} {
		version := r.guard.rules.Load().site.Version
		err := r.guard.Reload(t.Context(), r.site(test.file))
		if !errors.Is(err, test.want) || err != nil && r.guard.rules.Load().site.Version != version {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

// TestReloadFirstTLS: a site where everything was in the clear goes over to certificates by a reload; who came in the
// clear comes again. One whose files are not good changes nothing.
func TestReloadFirstTLS(t *testing.T) {
	p := newPapers(t)
	server, _ := p.issue(t, "ehr", true)
	lab, _ := p.issue(t, "lab", false)
	e := secure(t, server)
	r := begin(t, fmt.Sprintf(hl7Site, newEngine(t).Addr()), func(o *Options) { o.pace = quick })
	before := r.call("hl7")
	m := result("LAB|NORTH", "m1", "1")
	if got := before.send(m); got != ack(m) {
		t.Fatalf("in the clear: got %q", got)
	}
	file := fmt.Sprintf(tlsSite, p.dir, e.Addr(), "")
	if err := r.guard.Reload(t.Context(), r.site(strings.Replace(file, "guard.key", "none.key", 1))); err == nil || !strings.Contains(err.Error(), "none.key") {
		t.Errorf("without the key: got %v", err)
	}
	if got := before.send(m); got != ack(m) {
		t.Errorf("after the reload that was refused: got %q", got)
	}
	end := time.Now().Add(-time.Hour)
	p.ending(t, end)
	if err := r.guard.Reload(t.Context(), r.site(file)); err == nil || !strings.Contains(err.Error(), "ended on "+end.UTC().Format(time.DateOnly)) {
		t.Errorf("with a certificate that is over: got %v", err)
	}
	if got := before.send(m); got != ack(m) {
		t.Errorf("after that: got %q", got)
	}
	p.own(t)
	if err := r.guard.Reload(t.Context(), r.site(file)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection in the clear ends", func() bool { return r.open() == 0 })
	if got := r.mustDial(client(lab)).send(m); got != ack(m) {
		t.Errorf("by TLS: got %q", got)
	}
	if got := r.metric("chaperone_guard_certificate_end_seconds"); got != float64(p.trust.OwnNotAfter().Unix()) {
		t.Errorf("got %v as the certificate's end", got)
	}
	if err := r.guard.Reload(t.Context(), r.site(strings.Replace(file, "guard.key", "other.key", 1))); !errors.Is(err, errTrust) {
		t.Errorf("other files afterwards: got %v, want %v", err, errTrust)
	}
}

// TestNotTaken: a site file that was not taken shows until one is: a signal has no answer.
func TestNotTaken(t *testing.T) {
	r, e := hl7Rig(t)
	shows := func(when string, findings int, taken float64) {
		t.Helper()
		w := httptest.NewRecorder()
		r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if got := strings.Contains(w.Body.String(), "the last site file was not taken"); got == (taken == 1) || w.Code != 200 {
			t.Errorf("%s: healthz says %d %q", when, w.Code, w.Body)
		}
		if got := r.metric("chaperone_guard_last_reload_successful"); got != taken {
			t.Errorf("%s: the metric is %v, want %v", when, got, taken)
		}
		if got := r.findings()[NotTakenRule]; got != findings {
			t.Errorf("%s: got %d findings, want %d", when, got, findings)
		}
	}
	shows("at the start", 0, 1)
	r.guard.NotTaken(errors.New("line 3"))
	shows("a bad file", 1, 0)
	r.guard.NotTaken(errors.New("line 3"))
	shows("the same again", 1, 0)
	r.guard.NotTaken(errors.New("line 4"))
	shows("another one", 2, 0)
	if err := r.guard.Reload(t.Context(), r.site(fmt.Sprintf(hl7Site, e.Addr()))); err != nil {
		t.Fatal(err)
	}
	shows("a good one", 2, 1)
	r.guard.NotTaken(errors.New("line 4"))
	shows("the bad one again", 3, 0)
}

// TestReloadListeners: the log names each listener that a reload closes, and each that it opens.
func TestReloadListeners(t *testing.T) {
	r, e := hl7Rig(t)
	file := fmt.Sprintf(hl7Site, e.Addr())
	if err := r.guard.Reload(t.Context(), r.site(strings.Replace(file, "name: hl7", "name: results", 1))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`level=WARN msg="not listening any more: the site file does not name the listener, or its address" listener=hl7 `, `level=INFO msg=listening listener=results `} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}
