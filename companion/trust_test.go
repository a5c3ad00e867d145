package companion

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/identity"
)

// TestTrust: a device whose certificate the guard would refuse each time is told so at the start.
func TestTrust(t *testing.T) {
	c, other := newClinic(t), newClinic(t)
	for _, test := range []struct {
		name, authority, site, own, want string
	}{
		{"right", c.dir, "north", c.dir, ""},
		{"another site's name", c.dir, "south", c.dir, "ct1.pem is of the site north, not of south"},
		{"the authority of another site", other.dir, "north", c.dir, "ct1.pem is not of the authority in "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Trust(filepath.Join(test.authority, "authority"), test.site, "guard", filepath.Join(test.own, "ct1.pem"), filepath.Join(test.own, "ct1.key"))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// diary is a log that is read while it is written.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// TestRefusedByGuard: the log of a device that the guard does not let in says what to do, and not the alert alone.
func TestRefusedByGuard(t *testing.T) {
	c := newClinic(t)
	a, err := identity.OpenAuthority(filepath.Join(c.dir, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke("ct1", "superseded"); err != nil {
		t.Fatal(err)
	}
	log := new(diary)
	archive := start(t, Options{To: echo(t), Party: "ct1", Inward: true, Trust: c.trust(t, "guard", "ct1")})
	device := start(t, Options{To: archive, Party: "guard", Trust: c.trust(t, "ct1", "guard"), Log: slog.New(slog.NewTextHandler(log, nil))})
	if got := talk(t, device, "hello"); got != "" {
		t.Errorf("got %q", got)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "next="); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log says %q", log.String())
		}
	}
	if !strings.Contains(log.String(), "the other side does not believe this certificate") {
		t.Errorf("got %q", log.String())
	}
}
