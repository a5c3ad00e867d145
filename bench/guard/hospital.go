package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// hospital is what images and questions about them need: archives, and a guard and HAProxy before each of them.
type hospital struct {
	*clinic
	archives  []*archive
	questions net.Listener // where the archive that answers questions listens
	started   []*exec.Cmd
	gate      *os.Process // the guard
	network   *network    // nil: none could be made, and why
	alone     error
}

// archive is one that a scanner sends to, with the three ways to it.
type archive struct {
	name   string
	tuned  bool              // both ends: large PDUs, and nothing waits for an acknowledgement
	secure bool              // both ends: TLS with certificates that are checked
	ways   map[string]string // direct, HAProxy, guard: the address
	behind string            // where the proxies reach it
	sender []string          // what runs a program where the scanner is
}

// newHospital starts everything; it needs the clinic's certificates and the guard that was built for it.
func newHospital(ctx context.Context, c *clinic, matches int) (h *hospital, err error) {
	h = &hospital{clinic: c, archives: []*archive{{name: "plain"}, {name: "tuned", tuned: true}, {name: "secure", tuned: true, secure: true}, {name: "find"}}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	for _, a := range h.archives {
		a.ways = map[string]string{}
		for _, way := range []string{"direct", "guard", "HAProxy"} {
			if a.ways[way], err = freePort(); err != nil {
				return h, err
			}
		}
		a.behind = a.ways["direct"]
	}
	if h.questions, err = net.Listen("tcp", h.archives[3].ways["direct"]); err != nil {
		return h, err
	}
	go answer(h.questions, matches)
	for _, a := range h.archives[:3] {
		if err := h.run(ctx, a, "direct", "storescp", append(append([]string{"--ignore"}, c.options(a, "pacs")...), port(a.ways["direct"]))...); err != nil {
			return h, err
		}
	}
	if err := h.apart(ctx); err != nil {
		return h, err
	}
	site, proxy := h.configs()
	for name, text := range map[string]string{"dicom.yaml": site, "dicom.cfg": proxy} {
		if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
			return h, err
		}
	}
	if err := os.MkdirAll(c.path("dicom/keys"), 0o700); err != nil {
		return h, err
	}
	last := h.archives[3]
	if err := h.run(ctx, last, "guard", c.path("chaperone"), "guard", "--site", c.path("dicom.yaml")); err != nil {
		return h, err
	}
	h.gate = h.started[len(h.started)-1].Process
	path, err := exec.LookPath("haproxy")
	if err != nil {
		for _, a := range h.archives {
			delete(a.ways, "HAProxy")
		}
		return h, nil // the table says so by its absence
	}
	return h, h.run(ctx, last, "HAProxy", path, "-db", "-f", c.path("dicom.cfg"))
}

// apart adds the archive that is across a network, if there can be one.
func (h *hospital) apart(ctx context.Context) error {
	if h.network, h.alone = newNetwork(ctx); h.alone != nil {
		return nil
	}
	a := &archive{name: "apart", behind: archiveApart + ":11112", sender: in(h.network.scanner), ways: map[string]string{
		"direct": directApart + ":11112", "guard": guardApart + ":11112", "HAProxy": guardApart + ":11113",
	}}
	h.archives = append(h.archives, a)
	receive := append(in(h.network.archive), "storescp", "--ignore", "11112")
	return h.run(ctx, a, "direct", receive[0], receive[1:]...)
}

// options are those of dcmtk's programs for one end.
func (c *clinic) options(a *archive, party string) (list []string) {
	if a.tuned {
		list = append(list, "-pdu", "131072")
	}
	if a.secure {
		list = append(list, "+tls", c.path(party+".key"), c.path(party+".pem"), "+cf", c.path("authority/authority.pem"))
	}
	return list
}

// environment is that of dcmtk's programs for one end.
func (a *archive) environment() []string {
	if a.tuned {
		return append(os.Environ(), "TCP_NODELAY=1")
	}
	return os.Environ()
}

// configs gives the guard's site file and HAProxy's configuration.
func (h *hospital) configs() (site, proxy string) {
	var s, p strings.Builder
	fmt.Fprintf(&s, `site: bench
ledger: %[1]s/dicom/ledger
keys: %[1]s/dicom/keys
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
inside: [127.0.0.0/8, 198.18.0.0/15]
parties:
  - {name: ct, role: modality, titles: [CT], addresses: [127.0.0.1/32, %[2]s/32]}
  - {name: pacs, role: pacs, titles: [PACS]}
grants:
  - {name: images, parties: [ct], actions: [dicom.*], to: [pacs, self], whose: all}
listeners:
`, h.dir, scannerApart)
	p.WriteString("defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n")
	for _, a := range h.archives {
		clear, certificate := ", tls: none, because: this is a bench", ""
		if a.secure {
			clear, certificate = "", fmt.Sprintf(" ssl crt %[1]s/guard.both ca-file %[1]s/authority/authority.pem verify required", h.dir)
		}
		fmt.Fprintf(&s, "  - {name: %s, protocol: dicom, listen: %q%s, upstream: {address: %q, party: pacs%s}}\n", a.name, a.ways["guard"], clear, a.behind, clear)
		fmt.Fprintf(&p, "listen %s\n  bind %s%s\n  server pacs %s%s\n", a.name, a.ways["HAProxy"], certificate, a.behind, certificate)
	}
	return s.String(), p.String()
}

// run starts a program and waits until it listens on one way to an archive.
func (h *hospital) run(ctx context.Context, a *archive, way, path string, args ...string) error {
	p := exec.CommandContext(ctx, path, args...)
	p.Env = a.environment()
	name := a.name + "-" + way
	if h.ports[name] = a.ways[way]; way == "direct" {
		h.ports[name] = a.behind
	}
	err := h.start(p, name)
	if p.Process != nil {
		h.started = append(h.started, p)
	}
	return err
}

func (h *hospital) close() {
	for _, p := range h.started {
		_ = p.Process.Signal(os.Interrupt) // it ends one way or the other
		_ = p.Wait()
	}
	if h.questions != nil {
		_ = h.questions.Close()
	}
	if h.network != nil {
		h.network.close()
	}
}

func host(address string) string {
	host, _, _ := net.SplitHostPort(address) // it was an address that was listened on
	return host
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // it was an address that was listened on
	return port
}

// peak gives the most memory that a process had, in megabytes (proc(5), VmHWM of status).
func peak(p *os.Process) (float64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid), "status"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("the status of process %d has no VmHWM", p.Pid)
	}
	kilobytes, err := strconv.ParseFloat(string(fields[0]), 64)
	return kilobytes / 1024, err
}
