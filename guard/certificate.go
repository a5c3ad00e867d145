package guard

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"chaperone"
	"chaperone/identity"
	"chaperone/ledger"
	"chaperone/policy"
)

// Rules of findings about the guard's own certificate.
const (
	CertificateEndsRule = "guard-certificate-ends"
	CertificateOverRule = "guard-certificate-over"
)

// ownCertificate is why a connection ends of which the other side does not believe the guard: that side did nothing wrong.
const ownCertificate policy.Reason = "own-certificate"

// ownTerm says how long the guard can prove who it is, while anybody asks it to.
func (g *Guard) ownTerm() (identity.Term, string) {
	t := g.trust.Load()
	if t == nil || !needsTrust(g.rules.Load().site) {
		return identity.Lasting, ""
	}
	return t.OwnTerm(g.now())
}

// tellCertificate tells of the end of the guard's own certificate. Findings are of the whole day, so that a day has each of them once.
func (g *Guard) tellCertificate(term identity.Term, text string) {
	if !needsTrust(g.rules.Load().site) {
		return
	}
	end := g.trust.Load().OwnNotAfter()
	today := ledger.DayOf(g.now()).Time()
	f := chaperone.Finding{First: today, Last: today, Count: 1, Advice: "chaperone enroll renew makes the next one; put it in the place of the one before: it is read while the guard runs."}
	switch term {
	case identity.Ending:
		g.log.Warn("the guard's own certificate ends soon", "next", text)
		f.Rule, f.Severity, f.Title = CertificateEndsRule, chaperone.High, "The guard's own certificate ends on "+end.UTC().Format(time.DateOnly)+": after that no connection by TLS comes about."
	case identity.Over:
		g.log.Error("the guard's own certificate is over: no connection by TLS comes about", "next", text)
		f.Rule, f.Severity, f.Title = CertificateOverRule, chaperone.Critical, "The guard's own certificate is over: no connection by TLS comes about."
	case identity.Lasting:
		g.log.Info("the guard's own certificate is another one now", "until", end)
		return
	}
	g.refused.find(f)
}

// ownFault says whether a handshake failed because the other side does not believe the guard, and what to do then.
func (g *Guard) ownFault(err error) (hint string, ok bool) {
	var network *net.OpError
	alert := errors.As(err, &network) && network.Op == "remote error"
	term, text := g.ownTerm()
	switch {
	case term == identity.Over && (network != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)): // some say nothing, and go
		return "The other side did nothing wrong: " + text + ".", true
	case alert && strings.Contains(network.Err.Error(), "certificate"):
		return "The other side does not believe the guard's own certificate: give it the site's authority.pem, and have it connect by a name or address that the certificate has.", true
	}
	return "", false
}
