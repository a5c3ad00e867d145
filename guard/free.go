package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"chaperone/ledger/lock"
	"chaperone/site"
)

// Free looks whether a guard could have its addresses and its spools, so that one which cannot start makes nothing before it says so.
// It takes none of them: somebody else may until Start does.
func Free(s *site.Site, spool string, sockets []net.Listener) error {
	for i := range s.Listeners {
		spec := &s.Listeners[i]
		if !slices.ContainsFunc(sockets, func(l net.Listener) bool { return l.Addr().String() == spec.Listen.String() }) {
			socket, err := Listen(spec.Listen)
			if err != nil {
				return fmt.Errorf("guard: listener %s: %w", spec.Name, err)
			}
			_ = socket.Close() // nobody has come yet
		}
		dir := filepath.Join(spool, spec.Name)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		held, err := lock.Take(filepath.Join(dir, lock.File), false)
		if err != nil {
			return spoolError(spec.Name, err)
		}
		_ = held.Close()
	}
	if s.Metrics.IsValid() {
		socket, err := Listen(s.Metrics)
		if err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		_ = socket.Close()
	}
	return nil
}

// spoolError says why a spool cannot be used, and what to do where another guard has it.
func spoolError(listener string, err error) error {
	if errors.Is(err, lock.ErrHeld) {
		return fmt.Errorf("guard: listener %s: spool: %w, a guard that runs: end that one first. If it has another ledger, the two lie in one folder and share spool and approvals: "+
			"give each guard's ledger a folder above it of its own", listener, err)
	}
	return fmt.Errorf("guard: listener %s: %w", listener, err)
}
