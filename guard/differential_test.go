package guard

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone"
	"chaperone/format/hl7"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

var differentials = flag.Int("differential", 2000, "how many ambiguous messages TestDifferential sends")

// python is where Debian's python3-hl7 is.
const python = "/usr/bin/python3"

func needPeer(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import hl7").Run(); err != nil {
		t.Skip("python3-hl7 is not installed: apt-get install python3-hl7")
	}
}

// TestPeerMLLP: messages of a program that is not ours arrive byte for byte, and it shows what is said of those that are refused.
func TestPeerMLLP(t *testing.T) {
	needPeer(t)
	peer, err := exec.LookPath("mllp_send")
	if err != nil {
		t.Skip("mllp_send is not installed: apt-get install python3-hl7")
	}
	r, e := hl7Rig(t)
	_, port, _ := net.SplitHostPort(r.guard.Address("hl7").String())
	send := func(payloads ...string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "messages")
		var b []byte
		for _, p := range payloads {
			b = append(b, "\x0b"+p+"\x1c\r"...)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), peer, "--port", port, "--file", file, "127.0.0.1").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	all := []string{result("LAB|NORTH", "m0", "1"), strings.Replace(result("LAB|NORTH", "m1", "2"), "fine", "sch\xc3\xb6n", 1),
		strings.Replace(result("LAB|NORTH", "m2", "2"), "fine", "sch\xf6n", 1)}
	for i := range all { // it takes away the CR at the end of a message
		all[i] = strings.TrimSuffix(all[i], "\r")
	}
	out := send(all...)
	for i, m := range all {
		if !strings.Contains(out, fmt.Sprint("MSA|AA|m", i)) {
			t.Errorf("the peer shows %q, want the answer to m%d", out, i)
		}
		if got := string(e.frames()[i]); got != "\x0b"+m+"\x1c\r" {
			t.Errorf("the engine got %q, want %q", got, m)
		}
	}
	if out := send(order("m3", "1")); !strings.Contains(out, "MSA|AR|m3") {
		t.Errorf("the peer shows %q, want AR", out)
	}
	if n := len(e.frames()); n != len(all) || len(r.rows()) != len(all) {
		t.Errorf("the engine got %d messages and %d are on record, want %d", n, len(r.rows()), len(all))
	}
}

// invent makes up a message that receivers may read in several ways. Each number in it is one of its own.
func invent(r *rand.Rand, i int) string {
	slot := 0
	number := func() string { slot++; return fmt.Sprintf("c%ds%d", i, slot) }
	header := fmt.Sprintf("MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01^ORU_R01|c%d|P|2.5", i)
	pid := func() string {
		switch r.IntN(8) {
		case 0:
			return "PID|1|" + number() + "^^^NORTH|" + number() + "^^^NORTH^MR||DOE^JANE"
		case 1:
			return "PID|1|" + number() + "||" + number() + "|DOE^JANE"
		case 2:
			return "PID|1||" + number() + "^^^NORTH^MR~" + number() + "^^^SOUTH&1.2.3&ISO^PI||DOE^JANE"
		case 3:
			return "PID|1||" + number() + "&" + number() + "^^^NORTH||DOE^JANE"
		case 4:
			return "PID|||\"\"^^^NORTH~" + number() + "||DOE"
		}
		return "PID|1||" + number() + "^^^NORTH^MR||DOE^JANE||19700101|F"
	}
	lines := []string{header, pid(), "OBX|1|TX|A||fine"}
	insert := func(line string) {
		at := 1 + r.IntN(len(lines))
		lines = append(lines[:at], append([]string{line}, lines[at:]...)...)
	}
	spoil := func(how func(line string) string) {
		at := r.IntN(len(lines))
		lines[at] = how(lines[at])
	}
	within := func(text string) {
		spoil(func(line string) string {
			at := min(len(line), 8+r.IntN(max(1, len(line)-7)))
			return line[:at] + text + line[at:]
		})
	}
	breaks := []string{"\n", "\r\n", "\n\r", "\x85", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\x0c", "\x1d", "\x1e", "\x1f", "\x00", "\t", " ", "\xc2\xa0", "\r\r", "\r ", "\r\t", "\r\xc2\x85", "\\X0D\\", "\\.br\\", "\\X0A\\", "\\E\\"}
	end := "\r"
	for range 1 + r.IntN(3) {
		switch r.IntN(22) {
		case 0:
			insert(pid())
		case 1:
			insert("MRG|" + number() + "^^^NORTH^MR")
		case 2:
			insert(strings.ToLower(pid()))
		case 3:
			insert(" " + pid())
		case 4:
			insert("pID" + pid()[3:])
		case 5:
			within(breaks[r.IntN(len(breaks))] + pid())
		case 6:
			within(breaks[r.IntN(len(breaks))])
		case 7:
			end = []string{"\n", "\r\n", "\n\r", "\x85", "\xe2\x80\xa8"}[r.IntN(5)]
		case 8:
			insert(strings.Replace(header, `^~\&`, []string{`~^\&`, `^~\`, `^~`, `^`, `$~\&`, `^~\&#`, `^~\&x`, `^~&\`}[r.IntN(8)], 1))
			insert(pid())
		case 9:
			lines[0] = strings.Replace(lines[0], `^~\&`, []string{`~^\&`, `^~\`, `^~`, `^`, ``, `$~\&`, `^~\&#`, `^^\&`}[r.IntN(8)], 1)
		case 10:
			insert(strings.Replace(header, "ORU", []string{"ADT", "ORU"}[r.IntN(2)], 1))
			insert(pid())
		case 11:
			lines = append([]string{"BHS|^~\\&|LAB|NORTH"}, append(lines, "BTS|1")...)
		case 12:
			lines = append([]string{"FHS|^~\\&|LAB|NORTH", "BHS|^~\\&|LAB|NORTH"}, append(lines, "BTS|1", "FTS|1")...)
		case 13:
			insert([]string{"BHS|^~\\&|LAB|NORTH", "BTS|1", "FTS|1", "FHS|~^\\&|LAB", "BHS|#~\\&|LAB"}[r.IntN(5)])
			insert(pid())
		case 14:
			lines[0] += "||||||" + []string{"UNICODE UTF-8", "8859/1", "ISO IR87", "ASCII~ISO IR87", "UNICODE", "GB 18030-2000", "8859/1~UNICODE UTF-8", "windows-1252"}[r.IntN(8)]
			within([]string{"\xe9", "\xc3\xa9", "\x83\x5c", "\x81\x7c", "\x1b$B", "\xff\xfe", "\xa8"}[r.IntN(7)])
		case 15:
			within([]string{"\\X0D\\PID|1||" + number(), "\\X7C\\", "\\X5E\\", "\\X7E\\" + number(), "\\R\\" + number(), "\\S\\", "\\T\\", "\\F\\", "\\C2842\\", "\\M2442\\", "\\Z\\", "\\X"}[r.IntN(12)])
		case 16:
			end += []string{"trailing", "PID", "|||", "\x00\x00", "OBX|1\r\r", "\r", "  ", "\t", "MSH", "MSH|", pid(), " " + pid(), "\xef\xbb\xbf"}[r.IntN(13)]
		case 17:
			lines[0] = []string{"\xef\xbb\xbf", " ", "\r", "\n", "\x00", "x", "\t"}[r.IntN(7)] + lines[0]
		case 18:
			insert("OBX|2|TX|B||see PID|3||" + number() + "^^^NORTH\\.br\\PID|1||" + number())
		case 19:
			insert([]string{"ZPI|1||" + number(), "NK1|1|DOE", "PID", "PID|", "PID||||", "PD1|||", "PID^1^" + number(), "PIDX|1||" + number(), "PID|1||^^^NORTH"}[r.IntN(9)])
		case 20:
			spoil(func(line string) string { return line[:r.IntN(len(line)+1)] })
		case 21:
			lines[0] = strings.Replace(lines[0], "ORU^R01^ORU_R01", []string{"ADT^A40^ADT_A39", "ADT^A45", "ACK", "ORU", "ADT^A08", "ORU^R01^ORU_R01~ACK"}[r.IntN(6)], 1)
			insert("MRG|" + number() + "^^^NORTH^MR~" + number())
		}
	}
	return strings.Join(lines, "\r") + end
}

// TestDifferential sends messages that two receivers may read in two ways through a live guard. Whatever patient python-hl7 or our
// own lenient reader finds in what arrives must be on record.
func TestDifferential(t *testing.T) {
	needPeer(t)
	e := newEngine(t)
	e.answer = func(string) string { return "MSH|^~\\&|||||1||ACK|a|P|2.5\rMSA|AA|x\r" }
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    details: [ORU^R01]\n", "", 1)
	r := begin(t, file, func(o *Options) { o.pace = quick })
	const seed, clients = 1, 16
	n := *differentials
	var sent []string
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		sent = append(sent, invent(random, i))
	}
	var wait sync.WaitGroup
	for k := range clients {
		wait.Go(func() {
			var c *caller
			for i := k; i < n; i += clients {
				if c == nil {
					raw, err := net.Dial("tcp", r.guard.Address("hl7").String())
					if err != nil {
						t.Error(err)
						return
					}
					c = &caller{raw, t, bufio.NewReader(raw)}
				}
				_ = c.SetDeadline(time.Now().Add(2 * time.Second)) // some ask for no answer
				_, err := c.Write([]byte("\x0b" + sent[i] + "\x1c\r"))
				if err == nil {
					_, err = readFrame(c.in)
				}
				if err != nil { // what cannot be answered ends the connection
					_ = c.Close()
					c = nil
				}
			}
			if c != nil {
				_ = c.Close()
			}
		})
	}
	wait.Wait()
	frames := e.frames()
	tokens, err := patient.LoadKey(filepath.Join(r.dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	peer := peerShows(t, frames)
	bad := 0
	for i, f := range frames {
		payload := f[1 : len(f)-2]
		wrong := unrecordedIn(r.ledger, tokens, payload, peer[i])
		if len(wrong) > 0 {
			if bad++; bad <= 10 {
				t.Errorf("a receiver sees %q, and it is not on record: %q", wrong, payload) // invented people
			}
		}
	}
	t.Logf("seed %d: %d messages sent, %d arrived, %d refused, %d show somebody who is not on record", seed, n, len(frames), n-len(frames), bad)
	if len(frames) < n/20 || len(frames) > n*19/20 {
		t.Errorf("%d of %d arrived: the test shows less than it should", len(frames), n)
	}
}

// unrecordedIn gives what the peer or the lenient reader shows in a message and is not on record.
func unrecordedIn(l *disk.Ledger, tokens *patient.Tokenizer, payload []byte, peer []string) (wrong []string) {
	known := map[string]bool{}
	note := func(ids []chaperone.Identifier) {
		for _, id := range ids {
			value := id.Value.Reveal() // invented people, compared
			if _, ok := l.Lookup(tokens.Token(id)); !ok {
				wrong = append(wrong, value)
				continue
			}
			known[value] = true
		}
	}
	messages, _ := hl7.Split(payload)
	for _, raw := range messages {
		m, err := hl7.Parse(raw)
		if err != nil {
			continue
		}
		content := m.Read()
		for _, record := range append(content.Records, content.Others...) {
			note(record.Identifiers)
			if len(record.Identifiers) == 0 && len(record.Alternates) > 0 {
				if token, ok := tokens.Alternate(record); ok {
					if _, there := l.Lookup(token); !there {
						wrong = append(wrong, "an alternate")
					}
				}
				for _, id := range record.Alternates { // one of them stands for all
					known[id.Value.Reveal()] = true // invented people, compared
				}
			}
		}
		for _, merge := range content.Merges {
			note(merge.Prior)
		}
	}
	for _, value := range peer {
		value = string(hl7.Unescape([]byte(value), hl7.DefaultSeparators)) // who does not decode them knows the same people by other names
		if !known[strings.TrimSpace(value)] {
			wrong = append(wrong, value)
		}
	}
	return wrong
}

// peerShows gives what python-hl7 shows of each frame.
func peerShows(t *testing.T, frames [][]byte) [][]string {
	t.Helper()
	var in bytes.Buffer
	for _, f := range frames {
		in.WriteString(hex.EncodeToString(f[1:len(f)-2]) + "\n")
	}
	c := exec.CommandContext(t.Context(), python, "testdata/differential.py")
	c.Stdin = &in // what it says on stderr quotes the messages
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range bytes.Lines(out) {
		var values []string
		if err := json.Unmarshal(line, &values); err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	if len(all) != len(frames) {
		t.Fatalf("got %d answers for %d messages", len(all), len(frames))
	}
	return all
}
