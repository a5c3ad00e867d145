package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// network is a scanner and an archive that are systems of their own to the kernel: network namespaces, with a cable from each to the
// guard's and one between them for the direct way. On loopback a packet has 64 KB and its acknowledgement costs nothing; here
// Ethernet's 1,500 bytes hold, and what a sender waits for it waits for as on a network.
type network struct {
	scanner, archive string // namespaces
}

// Addresses of the range for benchmarks (RFC 2544 appendix C): the guard's, as seen by the scanner; the archive's, as seen by the
// guard and, without one, by the scanner.
const (
	guardApart   = "198.18.1.1"
	scannerApart = "198.18.1.2"
	archiveApart = "198.18.2.2"
	directApart  = "198.18.3.2"
)

const networkScript = `set -e
if [ -n "$(ip -o addr show to 198.18.0.0/16)" ]; then
  echo "198.18.0.0/16 is in use here: if a run that was killed left it, ip netns shows its namespaces, and ip netns del NAME removes them"
  exit 1
fi
for name in $1 $2; do
  ip netns add $name
  ip -n $name link set lo up
done
cable() { # name, namespace, address here, address there
  ip link add $1 type veth peer name guard netns $2
  ip addr add $3/24 dev $1
  ip link set $1 up
  ip -n $2 addr add $4/24 dev guard
  ip -n $2 link set guard up
}
cable $1 $1 198.18.1.1 198.18.1.2
cable $2 $2 198.18.2.1 198.18.2.2
ip -n $1 link add direct type veth peer name direct netns $2
ip -n $1 addr add 198.18.3.1/24 dev direct
ip -n $1 link set direct up
ip -n $2 addr add 198.18.3.2/24 dev direct
ip -n $2 link set direct up`

// newNetwork makes the namespaces. It needs root and iproute2.
func newNetwork(ctx context.Context) (*network, error) {
	n := &network{scanner: fmt.Sprintf("bct%d", os.Getpid()), archive: fmt.Sprintf("bpacs%d", os.Getpid())}
	out, err := exec.CommandContext(ctx, "sh", "-c", networkScript, "sh", n.scanner, n.archive).CombinedOutput()
	if err != nil {
		n.close()
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return n, nil
}

// in gives what runs a program in a namespace, and becomes it.
func in(namespace string) []string { return []string{"ip", "netns", "exec", namespace} }

func (n *network) close() {
	for _, name := range []string{n.scanner, n.archive} {
		_ = exec.Command("ip", "netns", "del", name).Run() // its cables go with it
	}
}
