package companion

import (
	"os"
	"path/filepath"

	"chaperone/identity"
)

// Trust believes that one party of a site, by what enroll writes for a device: there most often is no list of what was revoked
// beside the authority's certificate.
//
// Errors: those of identity.NewTrust; a certificate of another site or authority, which the guard would refuse each time.
func Trust(authority, site, party, certificate, key string) (*identity.Trust, error) {
	o := identity.TrustOptions{
		Roots:       []string{filepath.Join(authority, identity.CertificateFile)},
		Subjects:    map[string]string{"URI:spiffe://" + site + "/party/" + party: party},
		Certificate: certificate, Key: key,
	}
	if list := filepath.Join(authority, identity.RevokedFile); exists(list) {
		o.CRLs = []string{list}
	}
	t, err := identity.NewTrust(o)
	if err != nil {
		return nil, err
	}
	return t, t.OwnSite(site)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
