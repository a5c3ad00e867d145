package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Term says whether this side can prove who it is, by the time of its own certificate.
type Term uint8

// Terms.
const (
	Lasting Term = iota // also of a side that has none
	Ending              // in the last third of its time, and no more than Soon before its end: it is to be renewed
	Over                // nobody believes it
)

// OwnNotAfter is when the certificate ends that this side proves itself by; zero when it has none.
func (t *Trust) OwnNotAfter() time.Time {
	if pair := t.state.Load().pair; pair != nil {
		return pair.Leaf.NotAfter
	}
	return time.Time{}
}

// OwnTerm says of the own certificate how long it is good at a time, and in words for people what to do; "" while it lasts.
func (t *Trust) OwnTerm(now time.Time) (Term, string) {
	pair := t.state.Load().pair
	if pair == nil {
		return Lasting, ""
	}
	leaf := pair.Leaf
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		return Over, "the certificate in " + t.o.Certificate + " ended on " + day(leaf.NotAfter) + ", and nobody believes it any more: " + t.renewal(leaf)
	case left < min(Soon, leaf.NotAfter.Sub(leaf.NotBefore)/3):
		return Ending, "the certificate in " + t.o.Certificate + " ends on " + day(leaf.NotAfter) + ": " + t.renewal(leaf)
	}
	return Lasting, ""
}

// renewal says what makes the next certificate. It is read while this side runs.
func (t *Trust) renewal(leaf *x509.Certificate) string {
	if site, party, ok := named(leaf); ok && (t.o.Site == "" || t.o.Site == site) {
		return "chaperone enroll renew " + party + " makes the next one, to be put in its place"
	}
	return "have its authority renew it, and put the next one in its place"
}

// WatchOwn tells of the own certificate until ctx is done: when it begins to end, every day from then on, when it is over, and, with
// Lasting, when another one has taken its place. It looks at once, and then every so often.
func (t *Trust) WatchOwn(ctx context.Context, every time.Duration, now func() time.Time, tell func(Term, string)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var told Term
	var on string
	for {
		at := now()
		if term, text := t.OwnTerm(at); term != told || term != Lasting && day(at) != on {
			told, on = term, day(at)
			tell(term, text)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Serves reports whether the own certificate may answer connections: a client's may not, and no client would believe it.
func (t *Trust) Serves() bool {
	pair := t.state.Load().pair
	if pair == nil {
		return false
	}
	usages := pair.Leaf.ExtKeyUsage
	return len(usages) == 0 || slices.Contains(usages, x509.ExtKeyUsageServerAuth) || slices.Contains(usages, x509.ExtKeyUsageAny)
}

// OwnSite says whether the own certificate is of a site, and of an authority in Roots. One that names no site is an outside authority's, of
// which only who is shown it knows.
func (t *Trust) OwnSite(site string) error {
	pair := t.state.Load().pair
	if pair == nil {
		return nil
	}
	of, _, ok := named(pair.Leaf)
	switch {
	case ok && of != site:
		return fmt.Errorf("identity: the certificate in %s is of the site %s, not of %s: nobody there would believe it", t.o.Certificate, of, site)
	case ok && !slices.ContainsFunc(t.outside(), func(a *x509.Certificate) bool { return pair.Leaf.CheckSignatureFrom(a) == nil }):
		return fmt.Errorf("identity: the certificate in %s is not of the authority in %s: take both from the same chaperone enroll", t.o.Certificate, strings.Join(t.o.Roots, ", "))
	}
	return nil
}

// parsePair reads what this side proves itself by. One whose time is not now is not taken, and neither is one that was made before the
// one in force, as long as that is good: somebody copied an old file. One that is over is taken where there is none before it: a machine that
// comes back at night would else be without what needs no certificate, too.
func (t *Trust) parsePair(files [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return nil, errors.New("not a certificate and its key, both as PEM") // the error itself may quote the certificate
	}
	now, leaf, have := t.o.Now(), pair.Leaf, t.pair[0].value
	switch {
	case have != nil && now.After(leaf.NotAfter):
		return nil, errors.New("the certificate ended on " + day(leaf.NotAfter) + ", and nobody believes it any more: " + t.renewal(leaf))
	case now.Before(leaf.NotBefore):
		return nil, errors.New("the certificate is good from " + leaf.NotBefore.UTC().Format(time.RFC3339) + " on; is the clock right?")
	case have != nil && leaf.NotBefore.Before(have.Leaf.NotBefore) && !now.After(have.Leaf.NotAfter):
		return nil, errors.New("the certificate is older than the one in force, which ends on " + day(have.Leaf.NotAfter) + "; if it is meant, start again")
	}
	return &pair, nil
}
