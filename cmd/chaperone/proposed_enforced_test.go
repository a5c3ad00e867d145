package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const clinicCapture = "../../testdata/clinic.pcapng"

// lookUps gives the HL7 queries of the clinic's capture and their answers, as they were framed. Each lies in one packet.
func lookUps(t *testing.T) (queries []string, answers map[string]string) {
	t.Helper()
	b, err := os.ReadFile(clinicCapture)
	if err != nil {
		t.Fatal(err)
	}
	answers = map[string]string{}
	asked := map[string]string{} // by control ID: the latest
	for _, frame := range regexp.MustCompile(`\x0bMSH\|[^\x0b\x1c]*\x1c\r`).FindAllString(string(b), -1) {
		header := strings.Split(frame, "|")
		switch kind, _, _ := strings.Cut(header[8], "^"); kind {
		case "QBP", "QRY":
			if asked[header[9]] != frame { // else it was sent again on the network
				queries = append(queries, frame)
			}
			asked[header[9]] = frame
		case "RSP", "ADR":
			_, of, _ := strings.Cut(frame, "\rMSA|AA|")
			of, _, _ = strings.Cut(of, "\r")
			answers[asked[of]] = frame
		}
	}
	return queries, answers
}

// answering is a system that gives to each query the answer of the capture.
func answering(t *testing.T, answers map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second address of this machine: %v", err)
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
				in := bufio.NewReader(c)
				for {
					frame, err := in.ReadString(0x1c)
					if err != nil {
						return
					}
					end, _ := in.ReadByte()
					_, _ = c.Write([]byte(answers[frame+string(end)]))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// proposedSite proposes a site file from the clinic's capture, and gives it with its listener of queries set to enforce, and with addresses of this
// machine. whose is what the grant of queries has more.
func proposedSite(t *testing.T, dir, upstream, at, whose string) (path, proposed string) {
	t.Helper()
	path = filepath.Join(dir, "site.yaml")
	var said bytes.Buffer
	if status := run(t.Context(), []string{"watch", "--propose-site", path, clinicCapture}, strings.NewReader(""), &said, &said); status != statusDone {
		t.Fatal(said.String())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, list, _ := strings.Cut(string(b), "\nlisteners:\n")
	listener := ""
	for one := range strings.SplitSeq(list, "\n\n") {
		if strings.Contains(one, "protocol: hl7") && strings.Contains(one, "party: server1}") {
			listener = one
		}
	}
	if !strings.Contains(head, "details: [QBP^Q22, QRY^A19]") || !strings.Contains(listener, "mode: observe") {
		t.Fatalf("the proposal is another: %s", b)
	}
	listener = strings.Replace(listener, "mode: observe", "mode: enforce", 1)
	listener = regexp.MustCompile(`0\.0\.0\.0:\d+`).ReplaceAllString(listener, at)
	listener = regexp.MustCompile(`192\.0\.2\.30:\d+`).ReplaceAllString(listener, upstream)
	head = strings.NewReplacer("details: [QBP^Q22, QRY^A19]", "details: [QBP^Q22, QRY^A19]"+whose, "198.51.100.40]", "127.0.0.1]", "192.0.2.30]", "127.0.0.2]", "inside: [", "inside: [127.0.0.0/8, ",
		"/var/lib/chaperone/ledger", filepath.Join(dir, "ledger"), "/etc/chaperone/keys", filepath.Join(dir, "keys")).Replace(head)
	if err := os.WriteFile(path, []byte(head+"\nlisteners:\n"+listener+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, string(b)
}

// TestProposedEnforced: a site file that was proposed from a capture, and set to enforce, lets the queries of that capture pass, and their
// answers as they came. The systems have other addresses here. As it is proposed, it refuses the portal's queries by the first letter of a name, and
// says how many they are; whose: all lets them pass. That portal also gets more patients than the one it asked for by number, which no grant allows.
func TestProposedEnforced(t *testing.T) {
	queries, answers := lookUps(t)
	if len(queries) < 20 || len(answers) != len(queries) {
		t.Fatalf("got %d queries and %d answers in the capture", len(queries), len(answers))
	}
	for _, test := range []struct {
		name, whose string
		everybody   bool // may be asked for
	}{
		{"as it is proposed", "", false},
		{"whose: all", "\n    whose: all", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := freePort(t)
			path, proposed := proposedSite(t, t.TempDir(), answering(t, answers), at, test.whose)
			ctx, stop := context.WithCancel(t.Context())
			ended, said := make(chan int, 1), &heard{}
			listening := make(chan struct{})
			said.until, said.then = []string{"msg=listening"}, sync.OnceFunc(func() { close(listening) })
			go func() { ended <- run(ctx, []string{"guard", "--site", path}, strings.NewReader(""), io.Discard, said) }()
			defer func() { stop(); <-ended }()
			select {
			case <-listening:
			case <-time.After(20 * time.Second):
				t.Fatal(said)
			}
			c, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			passed, refused := map[string]int{}, 0
			for i, query := range queries {
				_, _ = c.Write([]byte(query))
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				got, err := in.ReadString(0x1c)
				if err != nil {
					t.Fatal(err, said)
				}
				end, _ := in.ReadByte()
				kind := strings.Split(query, "|")[8]
				tooMany := !strings.Contains(query, "@PID.5") && strings.Count(answers[query], "\rPID|") > 1
				switch {
				case strings.Contains(got, "everybody"):
					refused++
				case tooMany && !strings.Contains(got, "\rMSA|AR|"):
					t.Errorf("query %d (%s) is answered with more patients than it asked for", i, kind)
				case !tooMany && got+string(end) != answers[query]:
					t.Errorf("query %d (%s) is not answered as in the capture; %s", i, kind, said)
				case !tooMany:
					passed[kind]++
				}
			}
			if test.everybody && (refused > 0 || passed["QBP^Q22^QBP_Q21"] == 0) || passed["QRY^A19"] == 0 {
				t.Errorf("answered were %v, want some of both kinds; for everybody, %d were refused", passed, refused)
			}
			if want := fmt.Sprintf("of %d queries seen, %d asked for everybody", len(queries), refused); !test.everybody && (refused == 0 || !strings.Contains(proposed, want)) {
				t.Errorf("the proposal does not say %q", want)
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
