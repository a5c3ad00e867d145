package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"

	"chaperone/identity"
)

// relayWord is what this program is started with to be a bare relay.
const relayWord = "relay"

const bareRelay = "bare relay in Go"

// relay is the least that a proxy in Go with TLS on both sides can do: it finds where a message ends, passes it on and waits for
// the answer, with crypto/tls and one goroutine for a connection. It knows nothing, decides nothing and records nothing. What
// the guard takes more is its own; what the relay takes more than HAProxy is Go's.
func relay(ctx context.Context, dir, listen, upstream string) error {
	trust, err := identity.NewTrust(identity.TrustOptions{
		Site: "bench", Authority: filepath.Join(dir, "authority"), Certificate: filepath.Join(dir, "guard.pem"), Key: filepath.Join(dir, "guard.key"),
	})
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", listen, trust.Server())
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := tls.Dial("tcp", upstream, trust.Client("ehr", ""))
			if err != nil {
				return
			}
			defer server.Close()
			asks, answers := bufio.NewReaderSize(client, 16<<10), bufio.NewReaderSize(server, 16<<10)
			var b []byte
			for {
				if b, err = frame(asks, b[:0]); err != nil {
					return
				}
				if _, err := server.Write(b); err != nil {
					return
				}
				if b, err = frame(answers, b[:0]); err != nil {
					return
				}
				if _, err := client.Write(b); err != nil {
					return
				}
			}
		}()
	}
}

// frame appends a message of MLLP, which ends in 0x1c 0x0d.
func frame(in *bufio.Reader, b []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\r')
		b = append(b, part...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return b, err
		}
		if n := len(b); n > 1 && b[n-2] == 0x1c && b[n-1] == '\r' {
			return b, nil
		}
	}
}
