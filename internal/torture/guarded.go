package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// guarded is a real chaperone guard, between clients and an engine of this process.
type guarded struct {
	binary, dir, address string
	limits               string // of its listener
	engine               *engine
	socket               *os.File // that the guard inherits, if any
	cmd                  *exec.Cmd
	stderr               *bytes.Buffer
	ended                chan struct{}
}

// Addresses of who is who: nobody proves anything here, and the guard knows them by where they are.
const (
	feeder  = "127.0.0.1" // may send anybody's results
	limited = "127.0.0.4" // has a budget
	behind  = "127.0.0.3" // the engine
)

// budgetOf is how many patients the limited party may send.
const budgetOf = 25

func newGuarded(ctx context.Context, dir string) (*guarded, error) {
	if err := awaitPorts(ctx); err != nil {
		return nil, err
	}
	g, err := unconfigured(ctx, dir)
	if err != nil {
		return nil, err
	}
	if g.engine, err = newEngine(); err != nil {
		return nil, err
	}
	return g, g.configure("")
}

// unconfigured has no site file yet.
func unconfigured(ctx context.Context, dir string) (g *guarded, err error) {
	g = &guarded{dir: dir, limits: "{connections: 1000}"}
	if g.binary, err = build(ctx, dir); err != nil {
		return nil, err
	}
	g.address, err = freeAddress()
	return g, err
}

// awaitPorts waits until this machine has ports for the clients of a run: those of a run before are taken for a minute after it
// (TIME_WAIT), and who finds none would call it a message without an answer.
func awaitPorts(ctx context.Context) error {
	limit, err := descriptors()
	if err != nil {
		return err
	}
	enough := min(4000, limit/2)
	for end := time.Now().Add(3 * patience); ; {
		var taken []net.Listener
		var err error
		for len(taken) < enough && err == nil {
			var l net.Listener
			if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
				taken = append(taken, l)
			}
		}
		for _, l := range taken {
			_ = l.Close()
		}
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// freeAddress gives one at which nobody listens.
func freeAddress() (string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return free.Addr().String(), free.Close()
}

// build builds chaperone in a folder.
func build(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "chaperone")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "chaperone/cmd/chaperone").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building chaperone: %w: %s", err, out)
	}
	return path, nil
}

// configure writes the site file for HL7. extra is more of it.
func (g *guarded) configure(extra string) error {
	return g.write(fmt.Sprintf(`site: north
inside: [127.0.0.0/8]
ledger: %[1]s/ledger
keys: %[1]s/keys
parties:
  - {name: lab, role: lab, addresses: [127.0.0.1/32, 127.1.0.0/16]}
  - {name: practice, role: lab, addresses: [127.0.0.4/32]}
  - {name: ehr, role: engine}
grants:
  - {name: results, parties: [lab], actions: [hl7.send], to: [ehr]}
  - {name: few results, parties: [practice], actions: [hl7.send], to: [ehr], budget: {365d: %[2]d}}
listeners:
  - name: hl7
    protocol: hl7
    listen: %[3]s
    tls: none
    because: this is a test
    upstream: {address: "%[4]s", tls: none, because: this is a test, party: ehr}
    limits: %[5]s
%[6]s`, g.dir, budgetOf, g.address, g.engine.Addr(), g.limits, extra))
}

// write writes the site file, as a whole or not at all.
func (g *guarded) write(text string) error {
	path := filepath.Join(g.dir, "site.yaml")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// start starts the guard. It need not listen yet.
func (g *guarded) start(ctx context.Context) error {
	g.stderr = &bytes.Buffer{}
	g.cmd = exec.CommandContext(ctx, g.binary, "guard", "--site", filepath.Join(g.dir, "site.yaml"), "--ledger-reserve", "0", "--drain", "10s")
	g.cmd.Stderr = g.stderr
	if g.socket != nil { // LISTEN_PID is known to the child alone
		g.cmd.Args = append([]string{"sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`}, g.cmd.Args...)
		if g.cmd.Path, g.cmd.Err = exec.LookPath("sh"); g.cmd.Err != nil {
			return g.cmd.Err
		}
		g.cmd.ExtraFiles = []*os.File{g.socket}
	}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := g.cmd, make(chan struct{})
	g.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is in ProcessState
	return nil
}

// ready waits until somebody is let in.
func (g *guarded) ready() error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-g.ended:
			return broken("the guard ended by itself, %v: %s", g.cmd.ProcessState, g.stderr)
		default:
		}
		if c, err := net.Dial("tcp", g.address); err == nil {
			return c.Close()
		}
	}
	return broken("the guard does not listen within %v: %s", patience, g.stderr)
}

// kill ends the guard at once.
func (g *guarded) kill() error {
	_ = g.cmd.Process.Kill() // it may have ended
	<-g.ended
	if g.cmd.ProcessState.Exited() {
		return broken("the guard ended by itself, %v: %s", g.cmd.ProcessState, g.stderr)
	}
	return nil
}

// stop lets the guard end what it is in the middle of.
func (g *guarded) stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		return broken("the guard did not end within %v", patience)
	}
	if !g.cmd.ProcessState.Success() {
		return broken("the guard ended with %v: %s", g.cmd.ProcessState, g.stderr)
	}
	return nil
}

// field gives a field of a segment, by the numbers of both.
func field(payload string, segment, n int) string {
	lines := strings.Split(payload, "\r")
	if segment >= len(lines) {
		return ""
	}
	if f := strings.Split(lines[segment], "|"); n < len(f) {
		return f[n]
	}
	return ""
}

func readFrame(in *bufio.Reader) (string, error) {
	b, err := in.ReadString(0x1C)
	if err != nil {
		return "", err
	}
	_, err = in.ReadByte()
	return strings.TrimPrefix(strings.TrimSuffix(b, "\x1c"), "\x0b"), err
}

// sender is one client, with a connection when it has one.
type sender struct {
	address, from string
	within        time.Duration // an answer has to come; 0: patience
	conn          net.Conn
	in            *bufio.Reader
}

func (s *sender) dial() error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}, Timeout: cmp.Or(s.within, patience)}
	c, err := d.Dial("tcp", s.address)
	if err == nil {
		s.conn, s.in = c, bufio.NewReader(c)
	}
	return err
}

func (s *sender) close() {
	if s.conn != nil {
		_ = s.conn.Close() // whatever becomes of it
		s.conn = nil
	}
}

// errNoAnswer: it is not known whether the message passed.
var errNoAnswer = errors.New("no answer")

// send sends one patient's result and gives the code of its answer.
func (s *sender) send(id, patient string) (code string, err error) {
	if s.conn == nil {
		if err := s.dial(); err != nil {
			return "", err
		}
	}
	_ = s.conn.SetDeadline(time.Now().Add(cmp.Or(s.within, patience)))
	_, err = fmt.Fprintf(s.conn, "\x0bMSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01^ORU_R01|%s|P|2.5\rPID|1||%s^^^NORTH^MR||DOE^JANE\rOBX|1|TX|A||fine\r\x1c\r", id, patient)
	if err == nil {
		var payload string
		if payload, err = readFrame(s.in); err == nil {
			if got := field(payload, 1, 2); got != id {
				return "", broken("an answer to another message")
			}
			return field(payload, 1, 1), nil
		}
	}
	s.close()
	return "", fmt.Errorf("%w: %w", errNoAnswer, err)
}
