package companion

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/identity"
)

// clinic is an authority with certificates for a device, a guard and a stranger.
type clinic struct{ dir string }

func newClinic(t *testing.T) clinic {
	t.Helper()
	c := clinic{t.TempDir()}
	a, err := identity.Create(filepath.Join(c.dir, "authority"), "north")
	if err != nil {
		t.Fatal(err)
	}
	for _, party := range []string{"ct1", "guard", "stranger"} {
		certificate, key, err := a.Issue(identity.Issue{Party: party, Server: true})
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{".pem": certificate, ".key": key} {
			if err := os.WriteFile(filepath.Join(c.dir, party+name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

// trust is what own believes: that other is at the other end.
func (c clinic) trust(t *testing.T, own, other string) *identity.Trust {
	t.Helper()
	trust, err := Trust(filepath.Join(c.dir, "authority"), "north", other, filepath.Join(c.dir, own+".pem"), filepath.Join(c.dir, own+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func start(t *testing.T, o Options) string {
	t.Helper()
	if o.Listen = "127.0.0.1:0"; o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c.Address().String()
}

// echo answers everything with itself, and ends when the other side does.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// talk sends a text, ends its side, and gives all that comes back.
func talk(t *testing.T, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return ""
	}
	_ = c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c) // of a connection that is cut off, what there was
	return string(b)
}

// TestBothWays: a device that sends, and one that answers, each with a companion, talk over mutual TLS.
func TestBothWays(t *testing.T) {
	c := newClinic(t)
	archive := start(t, Options{To: echo(t), Party: "ct1", Inward: true, Trust: c.trust(t, "guard", "ct1")})
	device := start(t, Options{To: archive, Party: "guard", Trust: c.trust(t, "ct1", "guard")})
	text := strings.Repeat("every byte, 0 to \x00\xff. ", 40_000)
	if got := talk(t, device, text); got != text {
		t.Errorf("got %d bytes back, want the %d that were sent", len(got), len(text))
	}
}

// TestStrangers: whoever does not prove to be the one who is meant gets and gives nothing.
func TestStrangers(t *testing.T) {
	c := newClinic(t)
	secret := echo(t)
	archive := start(t, Options{To: secret, Party: "ct1", Inward: true, Trust: c.trust(t, "guard", "ct1")})
	other := newClinic(t)
	for name, trust := range map[string]*identity.Trust{
		"another party": c.trust(t, "stranger", "guard"), "another clinic": other.trust(t, "ct1", "guard"),
	} {
		if got := talk(t, start(t, Options{To: archive, Party: "guard", Trust: trust}), "hello"); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := talk(t, archive, "GET / HTTP/1.1\r\n\r\n"); strings.Contains(got, "GET") {
		t.Errorf("without TLS: got %q", got)
	}
	wrong := start(t, Options{To: secret, Party: "ct1", Inward: true, Trust: c.trust(t, "stranger", "ct1")})
	if got := talk(t, start(t, Options{To: wrong, Party: "guard", Trust: c.trust(t, "ct1", "guard")}), "hello"); got != "" {
		t.Errorf("a server that is not the guard: got %q", got)
	}
	if conn, err := tls.Dial("tcp", archive, &tls.Config{InsecureSkipVerify: true}); err == nil { // a client without a certificate
		_, _ = conn.Write([]byte("hello"))
		if b, _ := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("without a certificate: got %q", b)
		}
		_ = conn.Close()
	}
}

// TestPlainSideIsLocal: the side without TLS is never on a network.
func TestPlainSideIsLocal(t *testing.T) {
	for _, o := range []Options{{Listen: "0.0.0.0:0", To: "127.0.0.1:1"}, {Listen: "127.0.0.1:0", To: "10.0.0.1:104", Inward: true}, {Listen: ":0", To: "x:1"}} {
		if c, err := Listen(o); err == nil {
			_ = c.socket.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}
