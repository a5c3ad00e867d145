package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How quickly a change of the files is believed.
const (
	Poll     = 10 * time.Second // how often Watch looks, most often
	Patience = 10 * time.Minute // how long a revocation list is believed after its file went bad; then nobody of its authority is
)

// TrustOptions say who is believed. All files are read again when they change.
type TrustOptions struct {
	Site        string            // needed with Authority
	Authority   string            // folder of the own authority, or a copy of its CertificateFile and RevokedFile; "": none
	Roots       []string          // PEM files with certificates of outside authorities, and of intermediate ones
	CRLs        []string          // files with revocation lists of outside authorities, one each
	Subjects    map[string]string // certificates of outside authorities → party: "CN=ct1,O=Hospital" (RFC 4514), "URI:…" or "DNS:…"
	Certificate string            // PEM files of what this side proves itself by; "": nothing, which suffices for Check
	Key         string
	Now         func() time.Time // nil: time.Now
}

// Trust is what is believed now. It is safe for concurrent use.
type Trust struct {
	o         TrustOptions
	authority []*source[*x509.Certificate] // none or one
	roots     []*source[[]*x509.Certificate]
	lists     []*source[*revocations]
	pair      []*source[*tls.Certificate] // none or one

	reloading sync.Mutex // guards the sources
	state     atomic.Pointer[state]
}

// NewTrust reads all files.
//
// Errors: a file that cannot be read or is not what it should be; a revocation list that no authority here has signed; nobody
// at all who is believed; an own certificate whose time has not come. Of one that is over OwnTerm says so.
func NewTrust(o TrustOptions) (*Trust, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Authority == "" && len(o.Roots) == 0:
		return nil, errors.New("identity: no authority is named, neither an own one nor an outside one: nobody could prove anything")
	case o.Authority != "" && CheckName(o.Site) != nil:
		return nil, errName
	case (o.Certificate == "") != (o.Key == ""):
		return nil, errors.New("identity: a certificate and its key are named together")
	}
	if err := checkSubjects(o.Subjects); err != nil {
		return nil, err
	}
	t := &Trust{o: o}
	if o.Authority != "" {
		t.authority = append(t.authority, &source[*x509.Certificate]{paths: []string{filepath.Join(o.Authority, CertificateFile)}, parse: t.parseAuthority})
		t.lists = append(t.lists, t.listOf(filepath.Join(o.Authority, RevokedFile), t.ownAuthority))
	}
	for _, path := range o.Roots {
		t.roots = append(t.roots, &source[[]*x509.Certificate]{paths: []string{path}, parse: parseRoots})
	}
	for _, path := range o.CRLs {
		t.lists = append(t.lists, t.listOf(path, t.outside))
	}
	if o.Certificate != "" {
		t.pair = append(t.pair, &source[*tls.Certificate]{paths: []string{o.Certificate, o.Key}, parse: t.parsePair})
	}
	if _, list := t.look(); len(list) > 0 {
		return nil, fmt.Errorf("identity: %w", list[0])
	}
	t.believe()
	return t, nil
}

// Reload reads what has changed. A bad new file never replaces a good one: it is an error, each time, until it is mended. When it
// is a revocation list, then after Patience nobody of its authority is believed, since somebody may be revoked in it.
func (t *Trust) Reload() error {
	t.reloading.Lock()
	defer t.reloading.Unlock()
	changed, list := t.look()
	if changed {
		t.believe()
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("identity: the last good one of each stays in force: %w", errors.Join(list...))
}

// Bind says anew whose certificates of outside authorities are. Connections of those who are nobody's now are told so as by a
// revocation. Error: a name that is none; then all stays as it was.
func (t *Trust) Bind(subjects map[string]string) error {
	if err := checkSubjects(subjects); err != nil {
		return err
	}
	t.reloading.Lock()
	defer t.reloading.Unlock()
	if !maps.Equal(t.o.Subjects, subjects) {
		t.o.Subjects = maps.Clone(subjects)
		t.believe()
	}
	return nil
}

func checkSubjects(subjects map[string]string) error {
	for name, party := range subjects {
		if name == "" || CheckName(party) != nil {
			return fmt.Errorf("identity: a subject that is bound to a party: %w", errName)
		}
	}
	return nil
}

// Watch reloads every so often until ctx is done. It reports what is wrong with files when that changes, and nil when all are good again.
func (t *Trust) Watch(ctx context.Context, every time.Duration, report func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err, text := t.Reload(), ""
		if err != nil {
			text = err.Error()
		}
		if text != last {
			report(err)
		}
		last = text
	}
}

// Epoch changes whenever an answer of Check may change other than by the passing of time.
func (t *Trust) Epoch() uint64 { return t.state.Load().epoch }

// Changed is closed when the epoch changes: who waits for the next byte of a connection asks Check again then.
func (t *Trust) Changed() <-chan struct{} { return t.state.Load().over }

// look goes through all files, authorities before the lists that they sign.
func (t *Trust) look() (changed bool, list []error) {
	now := t.o.Now()
	changed = lookAt(t.authority, now, false, &list)
	changed = lookAt(t.roots, now, false, &list) || changed
	changed = lookAt(t.lists, now, changed, &list) || changed
	changed = lookAt(t.pair, now, false, &list) || changed
	return changed, list
}

func lookAt[T any](sources []*source[T], now time.Time, again bool, list *[]error) (changed bool) {
	for _, s := range sources {
		changed = s.look(now, again) || changed
		if s.err != nil {
			*list = append(*list, s.err)
		}
	}
	return changed
}

// believe makes a new state of what the files say.
func (t *Trust) believe() {
	st := &state{site: t.o.Site, subjects: t.o.Subjects, lists: map[string]inForce{}, over: make(chan struct{})}
	old := t.state.Load()
	if old != nil {
		st.epoch = old.epoch + 1
	}
	if own := t.ownAuthority(); len(own) > 0 {
		st.own, st.ownRoots = own[0], x509.NewCertPool()
		st.ownRoots.AddCert(own[0])
	}
	st.roots, st.between = split(t.outside())
	for _, s := range t.lists {
		if s.value == nil {
			continue
		}
		f := inForce{revocations: s.value, until: s.value.next, why: "the revocation list of its authority was to be replaced by now: until a newer one is here, nobody of that authority is believed"}
		if end := s.since.Add(Patience); s.err != nil && end.Before(f.until) {
			f.until = end
			f.why = "the revocation list of its authority cannot be read any more: until it can, nobody of that authority is believed"
		}
		id := issuerID(s.value.issuer)
		if have, ok := st.lists[id]; !ok || have.number.Cmp(f.number) < 0 {
			st.lists[id] = f
		}
	}
	if len(t.pair) > 0 {
		st.pair = t.pair[0].value
	}
	t.state.Store(st)
	if old != nil {
		close(old.over)
	}
}

func (t *Trust) listOf(path string, authorities func() []*x509.Certificate) *source[*revocations] {
	s := &source[*revocations]{paths: []string{path}}
	s.parse = func(files [][]byte) (*revocations, error) {
		return listFrom(files[0], authorities(), s.value, t.o.Now())
	}
	return s
}

func (t *Trust) ownAuthority() []*x509.Certificate {
	if len(t.authority) == 0 || t.authority[0].value == nil {
		return nil
	}
	return []*x509.Certificate{t.authority[0].value}
}

func (t *Trust) outside() (list []*x509.Certificate) {
	for _, s := range t.roots {
		list = append(list, s.value...)
	}
	return list
}

func (t *Trust) parseAuthority(files [][]byte) (*x509.Certificate, error) {
	cert, err := authorityIn(files[0])
	if err != nil {
		return nil, err
	}
	if site, err := siteOf(cert); err != nil || site != t.o.Site {
		return nil, fmt.Errorf("it is not the authority of the site %s", t.o.Site)
	}
	return cert, nil
}

func parseRoots(files [][]byte) (list []*x509.Certificate, err error) {
	all, err := blocks(files[0], certificateBlock)
	for _, der := range all {
		cert, err := x509.ParseCertificate(der)
		if err != nil || !cert.BasicConstraintsValid || !cert.IsCA {
			return nil, errors.New("it holds something that is not the certificate of an authority")
		}
		list = append(list, cert)
	}
	return list, err
}

// split parts roots from what is between them and others: an authority whose own authority is here too is no root, since then it
// could be revoked in vain.
func split(list []*x509.Certificate) (roots, between *x509.CertPool) {
	roots, between = x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range list {
		if slices.ContainsFunc(list, func(above *x509.Certificate) bool {
			return issuerID(above) != issuerID(cert) && cert.CheckSignatureFrom(above) == nil
		}) {
			between.AddCert(cert)
		} else {
			roots.AddCert(cert)
		}
	}
	return roots, between
}
