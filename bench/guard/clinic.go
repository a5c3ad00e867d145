package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chaperone/identity"
)

// clinic is everything around the proxies: certificates, a receiver, and the proxies as processes of their own.
type clinic struct {
	dir      string
	receiver net.Listener
	lab      *tls.Config
	guard    *exec.Cmd
	forgets  *exec.Cmd // a guard with recording off
	relay    *exec.Cmd
	haproxy  *exec.Cmd
	ports    map[string]string
}

// contender is one way from the sender to the receiver.
type contender struct {
	name    string
	address string
	process *os.Process // the hop, nil without one
}

func (c *clinic) contenders() []contender {
	list := []contender{{"direct", c.receiver.Addr().String(), nil}}
	if c.haproxy != nil {
		list = append(list, contender{"HAProxy", c.ports["haproxy"], c.haproxy.Process})
	}
	list = append(list, contender{bareRelay, c.ports["relay"], c.relay.Process})
	// What records still has an index to write when it is done: what forgets comes first.
	return append(list, contender{"guard, recording off", c.ports["unrecorded"], c.forgets.Process}, contender{"guard", c.ports["guard"], c.guard.Process})
}

func newClinic(ctx context.Context, dir string) (c *clinic, err error) {
	c = &clinic{dir: dir, ports: map[string]string{}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	a, err := identity.Create(filepath.Join(dir, "authority"), "bench")
	if err != nil {
		return c, err
	}
	for _, party := range []string{"guard", "lab", "ehr", "ct", "pacs"} {
		certificate, key, err := a.Issue(identity.Issue{Party: party, Server: true, DNS: []string{"localhost"}})
		if err != nil {
			return c, err
		}
		for name, b := range map[string][]byte{".pem": certificate, ".key": key, ".both": append(certificate, key...)} {
			if err := os.WriteFile(c.path(party+name), b, 0o600); err != nil {
				return c, err
			}
		}
	}
	ehr, err := c.trust("ehr")
	if err != nil {
		return c, err
	}
	if c.receiver, err = tls.Listen("tcp", "127.0.0.1:0", ehr.Server()); err != nil {
		return c, err
	}
	go receive(c.receiver)
	lab, err := c.trust("lab")
	if err != nil {
		return c, err
	}
	c.lab = lab.Client("guard", "")
	for _, name := range []string{"guard", "unrecorded", "relay", "haproxy"} {
		if c.ports[name], err = freePort(); err != nil {
			return c, err
		}
	}
	if err := c.startGuard(ctx); err != nil {
		return c, err
	}
	return c, c.startHAProxy(ctx)
}

func (c *clinic) path(name string) string { return filepath.Join(c.dir, name) }

func (c *clinic) trust(party string) (*identity.Trust, error) {
	return identity.NewTrust(identity.TrustOptions{Site: "bench", Authority: c.path("authority"), Certificate: c.path(party + ".pem"), Key: c.path(party + ".key")})
}

const siteFile = `site: bench
ledger: %[1]s/ledger
keys: %[1]s/keys
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
inside: [127.0.0.0/8]
parties:
  - {name: lab, role: lab, applications: [LAB@NORTH]}
  - {name: ehr, role: engine}
grants:
  - {name: results, roles: [lab], actions: [hl7.send], details: [ORU^R01], to: [ehr], budget: {24h: 100000000}}
listeners:
  - name: hl7
    protocol: hl7
    listen: %[2]s
    upstream: {address: "%[3]s", party: ehr}
    limits: {per_address: 1000}
`

func (c *clinic) startGuard(ctx context.Context) error {
	for name, file := range map[string]string{"guard": "site.yaml", "unrecorded": "unrecorded.yaml"} {
		if err := os.WriteFile(c.path(file), fmt.Appendf(nil, siteFile, c.dir, c.ports[name], c.receiver.Addr()), 0o600); err != nil {
			return err
		}
	}
	if err := os.Mkdir(c.path("keys"), 0o700); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", c.path("chaperone"), "chaperone/cmd/chaperone")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the guard: %w: %s", err, out)
	}
	c.guard = exec.CommandContext(ctx, c.path("chaperone"), "guard", "--site", c.path("site.yaml"))
	if err := c.start(c.guard, "guard"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.forgets = exec.CommandContext(ctx, self, unrecordedWord, c.path("unrecorded.yaml"))
	if err := c.start(c.forgets, "unrecorded"); err != nil {
		return err
	}
	c.relay = exec.CommandContext(ctx, self, relayWord, c.dir, c.ports["relay"], c.receiver.Addr().String())
	return c.start(c.relay, "relay")
}

const haproxyFile = `global
  maxconn 4096
  tune.ssl.default-dh-param 2048
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen hl7
  bind %[2]s ssl crt %[1]s/guard.both ca-file %[1]s/authority/authority.pem verify required
  server ehr %[3]s ssl crt %[1]s/guard.both ca-file %[1]s/authority/authority.pem verify required
`

// startHAProxy starts the peer; without one the guard is measured alone, and the table says so by its absence.
func (c *clinic) startHAProxy(ctx context.Context) error {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		fmt.Fprintln(os.Stderr, "haproxy is not installed: the guard is measured without its peer")
		return nil
	}
	if err := os.WriteFile(c.path("haproxy.cfg"), fmt.Appendf(nil, haproxyFile, c.dir, c.ports["haproxy"], c.receiver.Addr()), 0o600); err != nil {
		return err
	}
	c.haproxy = exec.CommandContext(ctx, path, "-db", "-f", c.path("haproxy.cfg"))
	return c.start(c.haproxy, "haproxy")
}

// start starts a process and waits until it listens.
func (c *clinic) start(p *exec.Cmd, name string) error {
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.Stdout, p.Stderr = log, log
	p.Cancel = func() error { return p.Process.Signal(os.Interrupt) }
	if err := p.Start(); err != nil {
		return err
	}
	for range 200 {
		if s, err := net.Dial("tcp", c.ports[name]); err == nil {
			return s.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	b, _ := os.ReadFile(c.path(name + ".log")) // to say why
	return fmt.Errorf("%s does not listen: %s", name, strings.TrimSpace(string(b)))
}

func (c *clinic) close() {
	for _, p := range []*exec.Cmd{c.guard, c.forgets, c.relay, c.haproxy} {
		if p != nil && p.Process != nil {
			_ = p.Process.Signal(os.Interrupt) // it ends one way or the other
			_ = p.Wait()
		}
	}
	if c.receiver != nil {
		_ = c.receiver.Close()
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
