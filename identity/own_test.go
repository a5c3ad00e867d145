package identity

import (
	"context"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// from is a certificate of the guard that is good between two times, as PEM, and its key.
func (s *site) from(t *testing.T, begin, end time.Time) (certificate, key []byte) {
	t.Helper()
	c := usual(begin)
	c.NotBefore, c.NotAfter = begin, end
	c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	c.URIs = []*url.URL{{Scheme: "spiffe", Host: s.Site, Path: "/party/guard"}}
	pair := s.forge(t, c)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return asPEM("CERTIFICATE", pair.Certificate[0]), asPEM("PRIVATE KEY", der)
}

const aDay = 24 * time.Hour

// TestOwnStart: who begins with a certificate of its own that is over begins all the same, and can say what to do: others may need none.
func TestOwnStart(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name       string
		begin, end time.Time
		term       Term
		want       string // an error
	}{
		{"good", now.Add(-aDay), now.Add(aDay), Lasting, ""},
		{"over", now.Add(-30 * aDay), now.Add(-time.Minute), Over, ""},
		{"not good yet", now.Add(2 * time.Hour), now.Add(aDay), Lasting, "is the clock right?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, TrustOptions{})
			certificate, key := s.from(t, test.begin, test.end)
			o := s.trust.o
			o.Certificate, o.Key = s.put(t, "guard.pem", certificate), s.put(t, "K", key)
			trust, err := NewTrust(o)
			if got := errText(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if err != nil {
				return
			}
			term, text := trust.OwnTerm(now)
			if over := "guard.pem ended on " + day(test.end) + ", and nobody believes it any more: chaperone enroll renew guard makes the next one"; term != test.term || term == Over && !strings.Contains(text, over) {
				t.Errorf("got %d %q, want %d", term, text, test.term)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestOwnReplaced: a file that is over, or older than the one in force, does not take the place of that.
func TestOwnReplaced(t *testing.T) {
	start := time.Now().Truncate(time.Second)
	for _, test := range []struct {
		name       string
		begin, end time.Duration // of what is put in its place, from the start; what is in force is good from -1 to 29 days
		later      time.Duration
		taken      bool
		why        string
	}{
		{"the next one", 10 * aDay, 40 * aDay, 11 * aDay, true, ""},
		{"the same time again", -aDay, 29 * aDay, aDay, true, ""},
		{"an older one", -20 * aDay, 10 * aDay, aDay, false, "older than the one in force"},
		{"an older one that ends later", -20 * aDay, 300 * aDay, aDay, false, "older than the one in force"},
		{"an older one that is good, when the one in force is over", -20 * aDay, 300 * aDay, 30 * aDay, true, ""},
		{"one that is over", 10 * aDay, 11 * aDay, 12 * aDay, false, "ended on"},
		{"another one that is over, when the one in force is", 10 * aDay, 31 * aDay, 32 * aDay, false, "ended on"},
		{"one of the future", 20 * aDay, 50 * aDay, aDay, false, "is the clock right?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := start
			s := newSite(t, TrustOptions{})
			certificate, key := s.from(t, start.Add(-aDay), start.Add(29*aDay))
			o := s.trust.o
			o.Now = func() time.Time { return now }
			o.Certificate, o.Key = s.put(t, "own.pem", certificate), s.put(t, "own.key", key)
			trust, err := NewTrust(o)
			if err != nil {
				t.Fatal(err)
			}
			before := trust.OwnNotAfter()
			now = start.Add(test.later)
			certificate, key = s.from(t, start.Add(test.begin), start.Add(test.end))
			s.put(t, "own.pem", certificate)
			s.put(t, "own.key", key)
			err = trust.Reload()
			want := before
			if test.taken {
				want = start.Add(test.end)
			}
			if got := trust.OwnNotAfter(); !got.Equal(want) || !strings.Contains(errText(err), test.why) || test.taken && err != nil {
				t.Errorf("got one that ends at %v, and %v, want %v, and %q", got, err, want, test.why)
			}
		})
	}
}

// TestOwnTerm: the end is told of in the last third of a certificate's time, and no more than a week before it.
func TestOwnTerm(t *testing.T) {
	start := time.Now().Truncate(time.Second)
	for _, test := range []struct {
		name     string
		life, at time.Duration
		want     Term
	}{
		{"a month, new", 30 * aDay, 0, Lasting},
		{"a month, eight days left", 30 * aDay, 22 * aDay, Lasting},
		{"a month, a week left but for a second", 30 * aDay, 23*aDay + time.Second, Ending},
		{"a month, at its end", 30 * aDay, 30 * aDay, Ending},
		{"a month, over", 30 * aDay, 30*aDay + time.Second, Over},
		{"three days, new", 3 * aDay, aDay, Lasting},
		{"three days, less than one left", 3 * aDay, 2*aDay + time.Second, Ending},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, TrustOptions{})
			certificate, key := s.from(t, start, start.Add(test.life))
			o := s.trust.o
			o.Certificate, o.Key = s.put(t, "own.pem", certificate), s.put(t, "own.key", key)
			trust, err := NewTrust(o)
			if err != nil {
				t.Fatal(err)
			}
			got, text := trust.OwnTerm(start.Add(test.at))
			if got != test.want || (text == "") != (got == Lasting) || got != Lasting && !strings.Contains(text, "chaperone enroll renew guard") {
				t.Errorf("got %d %q, want %d", got, text, test.want)
			}
		})
	}
}

// TestWatchOwn: the end is told of once a day, the over at once, and another certificate's taking its place.
func TestWatchOwn(t *testing.T) {
	s := newSite(t, TrustOptions{})
	end := s.trust.OwnNotAfter()
	times := []time.Time{end.Add(-8 * aDay), end.Add(-6 * aDay), end.Add(-6 * aDay), end.Add(-5 * aDay), end.Add(time.Second), end.Add(-20 * aDay), end.Add(-20 * aDay)}
	ctx, stop := context.WithCancel(t.Context())
	var got []Term
	s.trust.WatchOwn(ctx, time.Microsecond, func() time.Time {
		at := times[0]
		if times = times[1:]; len(times) == 0 {
			stop()
			times = []time.Time{at}
		}
		return at
	}, func(term Term, _ string) { got = append(got, term) })
	if want := []Term{Ending, Ending, Over, Lasting}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
