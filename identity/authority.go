package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"chaperone/ledger/lock"
)

// Names in an authority's folder. Only the certificate and the revocation list are for others.
const (
	CertificateFile = "authority.pem" // the self-signed certificate that parties and the guard believe
	KeyFile         = "authority.key" // the key that signs, PKCS #8
	RevokedFile     = "revoked.crl"   // what was revoked, a signed list (RFC 5280, 5)
	issuedFolder    = "issued"        // SERIAL.pem: each certificate, written before it is handed out
)

// authorityLife is how long an authority lives. Whoever believes it must be visited before.
const authorityLife = 3652 * 24 * time.Hour

// early is how long before its making a certificate is good already: clocks of devices are wrong by a summer time.
const early = time.Hour

// serialSize is how many bytes a serial number has; all are random (RFC 5280, 4.1.2.2 allows 20).
const serialSize = 16

// Kinds of PEM blocks (RFC 7468).
const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
	listBlock        = "X509 CRL"
	requestBlock     = "CERTIFICATE REQUEST"
)

// ErrNoAuthority says that there is no authority in a folder.
var ErrNoAuthority = errors.New("there is no authority here")

// Authority is the site's own issuer. All state is in its folder; several processes may use it, one at a time.
type Authority struct {
	Dir      string
	Site     string
	NotAfter time.Time

	cert *x509.Certificate
	now  func() time.Time
}

// Create makes the authority of a site in a folder: a P-256 key (mode 0600), a self-signed certificate for ten years that can
// sign parties' certificates and revocation lists and nothing else, and an empty revocation list.
//
// Errors: fs.ErrExist, when there is one already; a key that is there is never overwritten, and used when the making was cut off.
func Create(dir, site string) (*Authority, error) {
	if err := CheckName(site); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, issuedFolder), 0o755); err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, dir))
	}
	a := &Authority{Dir: dir, Site: site, now: time.Now}
	held, err := a.hold()
	if err != nil {
		return nil, err
	}
	defer held.Close() // it was only held
	if err := a.create(); err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, dir))
	}
	return a, nil
}

func (a *Authority) create() error {
	certificate := filepath.Join(a.Dir, CertificateFile)
	if _, err := os.Lstat(certificate); err == nil {
		return fmt.Errorf("%s: %w", certificate, fs.ErrExist)
	}
	key, err := a.key()
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(filepath.Join(a.Dir, KeyFile))
	}
	if err != nil {
		return err
	}
	now := a.now().UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: a.Site + " authority"},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: a.Site}}, // X.509-SVID, 3.1
		NotBefore:             now.Add(-early),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // no authorities below it
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.NotAfter = a.cert.NotAfter
	if err := a.writeList(key, nil, 1); err != nil {
		return err
	}
	// The certificate comes last: where it is, everything is.
	return writeNew(certificate, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der}), publicMode)
}

// OpenAuthority opens the authority in a folder. The key is read when something is to be signed, so that whoever may not read
// it can list what there is.
//
// Errors: ErrNoAuthority; a certificate that is not an authority's; a folder that others may write to.
func OpenAuthority(dir string) (*Authority, error) {
	path := filepath.Join(dir, CertificateFile)
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("identity: %s: %w", dir, ErrNoAuthority)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, dir))
	}
	cert, err := authorityIn(b)
	if err != nil {
		return nil, fmt.Errorf("identity: %s: %w", path, err)
	}
	site, err := siteOf(cert)
	if err != nil {
		return nil, fmt.Errorf("identity: %s: %w", path, err)
	}
	info, err := os.Stat(dir)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		err = fmt.Errorf("%s: others may write to it, and so make certificates or undo revocations; chmod go-w %s", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return &Authority{Dir: dir, Site: site, NotAfter: cert.NotAfter, cert: cert, now: time.Now}, nil
}

// authorityIn reads the certificate of a site's own authority.
func authorityIn(b []byte) (*x509.Certificate, error) {
	list, err := blocks(b, certificateBlock)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, errors.New("it holds several certificates, where an authority has one")
	}
	cert, err := x509.ParseCertificate(list[0])
	if err != nil {
		return nil, errors.New("it is not a certificate")
	}
	if cert.CheckSignatureFrom(cert) != nil {
		return nil, errors.New("it is not self-signed, as the certificate of an authority is")
	}
	return cert, nil
}

// Certificate gives what parties are to believe, as PEM.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: a.cert.Raw})
}

// key reads the key, and makes sure that it is the certificate's and that nobody else can read it.
func (a *Authority) key() (crypto.Signer, error) {
	path := filepath.Join(a.Dir, KeyFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read or write it; chmod 600 %s, and make a new authority if anybody could have", path, path)
	}
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	list, err := blocks(b, keyBlock)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from its backup", path, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(list[0])
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || len(list) != 1 {
		return nil, fmt.Errorf("%s: not the key of an authority; restore it from its backup", path)
	}
	if a.cert != nil && !key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, fmt.Errorf("%s: not the key of %s beside it; restore both from one backup", path, CertificateFile)
	}
	return key, nil
}

// hold keeps other processes out while the folder is changed.
func (a *Authority) hold() (*os.File, error) {
	f, err := lock.Take(filepath.Join(a.Dir, lock.File), false)
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("identity: %s: somebody else is changing it at this moment; do it again", a.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", advise(err, a.Dir))
	}
	return f, nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	b, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeNew(path, b, secretMode)
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// newSerial gives 128 random bits. The first byte is never zero, so that everybody writes all 32 digits.
func newSerial() *big.Int {
	var b [serialSize]byte
	for b[0] == 0 {
		_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	}
	return new(big.Int).SetBytes(b[:])
}
