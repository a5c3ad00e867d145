package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// What the standby's network has: two machines on one wire with whoever sends and receives, and an address that moves.
const (
	wire    = "10.99.0.1"
	moving  = "10.99.0.10"
	apart   = "CHAPERONE_TORTURE_APART"
	takeUp  = 15 * time.Second // longest that may pass until the other machine answers
	answers = 500 * time.Millisecond
)

// machine is one of the two, a network namespace with a guard and a keepalived.
type machine struct {
	name, address, dir string
	binary             string
	guard, keepalived  *exec.Cmd
}

// standBy has one of two machines fail again and again, by a kill -9 of its guard or because its cable is pulled; keepalived moves
// the address, as docs/guard-standby.md says. What was acknowledged has reached the engine, and what reached the engine is on
// one of the two ledgers. It needs root, unshare(1), ip(8), keepalived(8) and curl(1).
func standBy(ctx context.Context, o options) error {
	if os.Getenv(apart) == "" {
		return inOwnNetwork(ctx, o)
	}
	if err := network(ctx); err != nil {
		return err
	}
	engine, err := newEngineAt(wire + ":0")
	if err != nil {
		return err
	}
	defer engine.Close()
	binary, err := build(ctx, o.dir)
	if err != nil {
		return err
	}
	machines := []*machine{{name: "a", address: "10.99.0.2"}, {name: "b", address: "10.99.0.3"}}
	for i, m := range machines {
		m.dir, m.binary = filepath.Join(o.dir, m.name), binary
		defer m.end()
		if err := errors.Join(m.configure(ctx, engine.Addr(), 101-i), m.begin(ctx), m.watch(ctx)); err != nil {
			return err
		}
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	var passed atomic.Int64
	var sending sync.WaitGroup
	for k := range guardSenders {
		sending.Go(func() {
			s := &sender{address: moving + ":2575", from: wire, within: answers}
			defer s.close()
			for i := 0; load.Err() == nil; i++ {
				id := fmt.Sprintf("n%d-%d", k, i)
				if code, err := s.send(id, id); err == nil && code == "AA" {
					passed.Add(1)
					continue
				}
				s.close()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	var longest [2]time.Duration
	for i := range o.n {
		m, err := holder(ctx, machines, &passed)
		if err == nil {
			var took time.Duration
			took, err = m.fail(ctx, i%2 == 0, &passed)
			longest[i%2] = max(longest[i%2], took)
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
	}
	stop()
	sending.Wait()
	time.Sleep(100 * time.Millisecond) // what the engine has in its sockets
	for _, m := range machines {
		m.end()
	}
	if err := onRecord(ctx, engine, machines, passed.Load()); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "standby: %d times the other machine took over: %v at most after a kill -9 of the guard, %v after the cable was pulled; %d messages acknowledged, all reached the engine, all that did are on record\n",
		o.n, longest[0].Round(time.Millisecond), longest[1].Round(time.Millisecond), passed.Load())
	return nil
}

// inOwnNetwork runs this again where it can make a network of its own, and hides nothing of what it says.
func inOwnNetwork(ctx context.Context, o options) error {
	if err := separable(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "unshare", "--net", "--mount", self, "standby", "--n", fmt.Sprint(o.n), "--dir", o.dir)
	c.Env = append(os.Environ(), apart+"=1")
	c.Stdout = o.stdout
	var said bytes.Buffer
	c.Stderr = &said
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	if err := c.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

// separable says why there can be no network of its own here.
func separable() error {
	for _, program := range []string{"unshare", "ip", "keepalived", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	if out, err := exec.Command("unshare", "--net", "--mount", "true").CombinedOutput(); err != nil {
		return fmt.Errorf("unshare: %w: %s", err, out)
	}
	return nil
}

func sh(ctx context.Context, line string) error {
	if out, err := exec.CommandContext(ctx, "sh", "-ec", line).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return nil
}

// network makes a wire with two machines on it. Names of namespaces are in /run, which is this process's own.
func network(ctx context.Context) error {
	return sh(ctx, `mount -t tmpfs tmpfs /run
ip link set lo up
ip link add wire type bridge
ip address add `+wire+`/24 dev wire
ip link set wire up
for n in a:2 b:3; do
  name=${n%:*}
  ip netns add $name
  ip link add to-$name type veth peer name eth0 netns $name
  ip link set to-$name master wire up
  ip -n $name link set lo up
  ip -n $name address add 10.99.0.${n#*:}/24 dev eth0
  ip -n $name link set eth0 up
done`)
}

// in makes a command that runs on a machine.
func (m *machine) in(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", m.name, name}, args...)...)
	c.Stdout, _ = os.OpenFile(filepath.Join(m.dir, filepath.Base(name)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) // nil: nowhere
	c.Stderr = c.Stdout
	return c
}

// configure writes the site file and keepalived's.
func (m *machine) configure(_ context.Context, engine net.Addr, priority int) error {
	site := fmt.Sprintf(`site: north
inside: [10.99.0.0/24]
ledger: %[1]s/ledger
keys: %[1]s/keys
metrics: 127.0.0.1:9575
parties:
  - {name: lab, role: lab, addresses: [%[2]s/32]}
  - {name: ehr, role: engine}
grants:
  - {name: results, parties: [lab], actions: [hl7.send], to: [ehr]}
listeners:
  - {name: hl7, protocol: hl7, listen: "0.0.0.0:2575", tls: none, because: this is a test, upstream: {address: "%[3]s", tls: none, because: this is a test, party: ehr}}
`, m.dir, wire, engine)
	keepalived := fmt.Sprintf(`global_defs {
  router_id %[1]s
  script_user root
  enable_script_security
  vrrp_version 3
}
vrrp_script guard {
  script "/usr/bin/curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:9575/healthz"
  interval 1
  timeout 1
  fall 1
  rise 2
}
vrrp_instance chaperone {
  interface eth0
  state BACKUP
  nopreempt
  virtual_router_id 57
  priority %[2]d
  advert_int 0.3
  virtual_ipaddress { %[3]s/24 dev eth0 }
  track_script { guard }
}
`, m.name, priority, moving)
	return errors.Join(os.MkdirAll(filepath.Join(m.dir, "keys"), 0o700),
		os.WriteFile(filepath.Join(m.dir, "site.yaml"), []byte(site), 0o600),
		os.WriteFile(filepath.Join(m.dir, "keepalived.conf"), []byte(keepalived), 0o600))
}

func (m *machine) begin(ctx context.Context) error {
	m.guard = m.in(ctx, m.binary, "guard", "--site", filepath.Join(m.dir, "site.yaml"), "--ledger-reserve", "0")
	return m.guard.Start()
}

func (m *machine) watch(ctx context.Context) error {
	m.keepalived = m.in(ctx, "keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file", filepath.Join(m.dir, "keepalived.conf"),
		"--pid", filepath.Join(m.dir, "keepalived.pid"), "--vrrp_pid", filepath.Join(m.dir, "vrrp.pid"))
	return m.keepalived.Start()
}

// end ends both, and waits for the guard to leave its ledger.
func (m *machine) end() {
	for _, c := range []*exec.Cmd{m.keepalived, m.guard} {
		if c != nil && c.Process != nil && c.ProcessState == nil {
			_ = c.Process.Signal(os.Interrupt)
			_ = c.Wait()
		}
	}
}

// holder waits until both machines can serve, and gives the one that has the address.
func holder(ctx context.Context, machines []*machine, passed *atomic.Int64) (*machine, error) {
	before := passed.Load()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		healthy := 0
		var has *machine
		for _, m := range machines {
			if m.in(ctx, "curl", "--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1:9575/healthz").Run() == nil {
				healthy++
			}
			if out, _ := exec.CommandContext(ctx, "ip", "-n", m.name, "-4", "address", "show", "dev", "eth0").Output(); strings.Contains(string(out), moving+"/") {
				has = m
			}
		}
		if healthy == len(machines) && has != nil && passed.Load() > before+10*guardSenders {
			time.Sleep(3 * time.Second) // the other one's keepalived has seen that, too
			return has, nil
		}
	}
	return nil, broken("no machine serves within %v", patience)
}

// fail makes a machine fail, and gives how long nothing passed. Then it is mended.
func (m *machine) fail(ctx context.Context, killed bool, passed *atomic.Int64) (time.Duration, error) {
	began := time.Now()
	if killed {
		_ = m.guard.Process.Kill() // ip netns exec has become the guard
		_ = m.guard.Wait()
	} else if err := sh(ctx, "ip link set to-"+m.name+" down"); err != nil {
		return 0, err
	}
	time.Sleep(20 * time.Millisecond) // what it had acknowledged has come
	before := passed.Load()
	for passed.Load() == before {
		if time.Since(began) > takeUp {
			return 0, broken("the other machine has not taken over within %v", takeUp)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	if killed {
		return took, m.begin(ctx)
	}
	return took, sh(ctx, "ip link set to-"+m.name+" up")
}

// onRecord compares what the engine got with both ledgers.
func onRecord(ctx context.Context, e *engine, machines []*machine, acknowledged int64) error {
	found := map[string]bool{}
	for _, m := range machines {
		d, err := disk.Open(ctx, disk.Options{Dir: filepath.Join(m.dir, "ledger"), Keys: filepath.Join(m.dir, "keys"), ReadOnly: true})
		if err != nil {
			return broken("opening the ledger of %s: %w", m.name, err)
		}
		defer d.Close()
		tokens, err := patient.LoadKey(filepath.Join(m.dir, "keys"))
		if err != nil {
			return err
		}
		served := map[ledger.PatientID]bool{}
		if err := d.Disclosures(ctx, ledger.Query{}, func(row ledger.Row) error { served[row.People[0]] = true; return nil }); err != nil {
			return err
		}
		for id := range e.got {
			token := tokens.Token(chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(id)})
			if who, ok := d.Lookup(token); ok && served[who] {
				found[id] = true
			}
		}
		if len(served) == 0 {
			return broken("machine %s has served nobody: the run shows nothing", m.name)
		}
	}
	switch {
	case int64(len(e.got)) < acknowledged:
		return broken("%d messages were acknowledged, the engine got %d", acknowledged, len(e.got))
	case len(found) != len(e.got):
		return broken("the engine got %d messages, %d of them are on record", len(e.got), len(found))
	}
	return nil
}
