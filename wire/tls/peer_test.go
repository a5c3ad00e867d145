package tls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	gotls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

// peer is a connection of real programs, which begin to speak TLS behind some bytes of another protocol.
type peer struct {
	file     string
	skip     [2]int
	want     wire.Tunnel
	wantCert string // hexadecimal
}

// peers and what other programs say of them: Zeek (in its own baseline) of the first, tshark and openssl of both.
var peers = []peer{
	{"tls-behind-smtp.pcap", [2]int{35, 224}, wire.Tunnel{Offered: 0x0303, Version: 0x0303, Issuer: "Google Internet Authority G2", Names: strings.Fields(`
		mx.google.com aspmx.l.google.com alt1.aspmx.l.google.com alt2.aspmx.l.google.com alt3.aspmx.l.google.com alt4.aspmx.l.google.com
		gmail-smtp-in.l.google.com alt1.gmail-smtp-in.l.google.com alt2.gmail-smtp-in.l.google.com alt3.gmail-smtp-in.l.google.com
		alt4.gmail-smtp-in.l.google.com gmr-smtp-in.l.google.com alt1.gmr-smtp-in.l.google.com alt2.gmr-smtp-in.l.google.com
		alt3.gmr-smtp-in.l.google.com alt4.gmr-smtp-in.l.google.com aspmx2.googlemail.com aspmx3.googlemail.com aspmx4.googlemail.com
		aspmx5.googlemail.com`)},
		"4f0a1ac1c6e873c8805fe2fc56c7aac77025f1dcbbbf907e768f1ec88c3485db"},
	{"tls-behind-postgresql.pcap", [2]int{8, 1}, wire.Tunnel{Offered: 0x0304, Version: 0x0303, Issuer: "Amazon RDS us-east-1 2019 CA",
		ServerName: "database-1.cyx4x7yvdoay.us-east-1.rds.amazonaws.com",
		Names:      []string{"database-1.cyx4x7yvdoay.us-east-1.rds.amazonaws.com"}},
		"d6152ae24b2c159f0731c553bac79d3aea885db8d3bb8981632656bd47342f55"},
}

// conversation gives the connection from where it speaks TLS.
func (p peer) conversation(t *testing.T) wiretest.Conversation {
	t.Helper()
	conversations := wiretest.Capture(t, filepath.Join("../../testdata/peer", p.file))
	if len(conversations) != 1 {
		t.Fatalf("got %d connections, want one", len(conversations))
	}
	var c wiretest.Conversation
	skip := p.skip
	for _, turn := range conversations[0].Turns {
		n := min(len(turn.Bytes), skip[turn.Dir])
		skip[turn.Dir] -= n
		if turn.Bytes = turn.Bytes[n:]; len(turn.Bytes) > 0 {
			c.Turns = append(c.Turns, turn)
		}
	}
	return c
}

func TestPeers(t *testing.T) {
	for _, p := range peers {
		t.Run(p.file, func(t *testing.T) {
			if _, err := hex.Decode(p.want.Certificate[:], []byte(p.wantCert)); err != nil {
				t.Fatal(err)
			}
			got, malformed := noted(t, false, p.conversation(t).Turns...)
			if !reflect.DeepEqual(got, p.want) || malformed > 0 {
				t.Errorf("got  %d malformed, %+v\nwant none, %+v", malformed, got, p.want)
			}
		})
	}
}

// tap keeps what passes a connection. Its writes do not wait for the other side: both may write at once.
type tap struct {
	net.Conn
	dir wire.Dir
	out chan []byte
	log *log
}

type log struct {
	sync.Mutex
	turns []wiretest.Turn
}

func (c *tap) Write(p []byte) (int, error) {
	b := bytes.Clone(p)
	c.log.Lock()
	c.log.turns = append(c.log.turns, wiretest.Turn{Dir: c.dir, Bytes: b})
	c.log.Unlock()
	c.out <- b
	return len(p), nil
}

// converse lets the standard library's client and server speak, and gives what passed and what the server knows.
func converse(t *testing.T, client, server *gotls.Config) ([]wiretest.Turn, gotls.ConnectionState) {
	t.Helper()
	var l log
	var work sync.WaitGroup
	a, b := net.Pipe()
	taps := [2]*tap{{a, wire.FromClient, make(chan []byte, 64), &l}, {b, wire.FromServer, make(chan []byte, 64), &l}}
	for _, c := range taps {
		work.Go(func() {
			for p := range c.out {
				_, _ = c.Conn.Write(p) // it fails when the other side is done
			}
		})
	}
	here, there := gotls.Client(taps[0], client), gotls.Server(taps[1], server)
	answer, done := []byte("an answer"), make(chan error, 1)
	go func() {
		_, err := there.Write(answer) // behind the handshake
		done <- err
	}()
	_, err := io.ReadFull(here, make([]byte, len(answer))) // and behind the tickets of TLS 1.3
	a.Close()                                              // now the server does not wait for anything, whatever happened
	b.Close()
	err = errors.Join(err, <-done)
	close(taps[0].out)
	close(taps[1].out)
	work.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return l.turns, there.ConnectionState()
}

// TestStandardLibrary compares with what crypto/tls says of its own connections.
func TestStandardLibrary(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pacs"}, DNSNames: []string{"pacs.clinic.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pair := []gotls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	for _, test := range []struct {
		name     string
		version  uint16
		mutual   bool
		again    bool // the second connection of a client
		retry    bool // the server wants another key share than the client sends
		resumed  bool
		shown    bool // the server's certificate
		isMutual bool
	}{
		{name: "1.0", version: gotls.VersionTLS10, shown: true},
		{name: "1.1", version: gotls.VersionTLS11, shown: true},
		{name: "1.2", version: gotls.VersionTLS12, shown: true},
		{name: "1.2 mutual", version: gotls.VersionTLS12, mutual: true, shown: true, isMutual: true},
		{name: "1.2 resumed", version: gotls.VersionTLS12, again: true, resumed: true},
		{name: "1.3", version: gotls.VersionTLS13},
		{name: "1.3 mutual is not visible", version: gotls.VersionTLS13, mutual: true},
		{name: "1.3 resumed", version: gotls.VersionTLS13, again: true, resumed: true},
		{name: "1.3 with another hello", version: gotls.VersionTLS13, retry: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := &gotls.Config{ServerName: "pacs.clinic.example", InsecureSkipVerify: true, MinVersion: gotls.VersionTLS10, Certificates: pair,
				ClientSessionCache: gotls.NewLRUClientSessionCache(1)}
			server := &gotls.Config{Certificates: pair, MinVersion: test.version, MaxVersion: test.version}
			if test.mutual {
				server.ClientAuth = gotls.RequireAnyClientCert
			}
			if test.retry {
				client.CurvePreferences = []gotls.CurveID{gotls.X25519, gotls.CurveP384}
				server.CurvePreferences = []gotls.CurveID{gotls.CurveP384}
			}
			turns, state := converse(t, client, server)
			if test.again {
				turns, state = converse(t, client, server)
			}
			if state.Version != test.version || state.DidResume != test.resumed || state.HelloRetryRequest != test.retry {
				t.Fatalf("the connection is not what the test wants: %x resumed %t retried %t", state.Version, state.DidResume, state.HelloRetryRequest)
			}
			want := wire.Tunnel{ServerName: "pacs.clinic.example", Offered: 0x0304, Version: test.version, Resumed: test.resumed, Mutual: test.isMutual}
			if test.shown {
				want.Names, want.Issuer, want.SelfSigned = []string{"pacs", "pacs.clinic.example"}, "pacs", true
				want.Certificate = sha256.Sum256(der)
			}
			if got, malformed := noted(t, false, turns...); !reflect.DeepEqual(got, want) || malformed > 0 {
				t.Errorf("got  %d malformed, %+v\nwant none, %+v", malformed, got, want)
			}
		})
	}
}
