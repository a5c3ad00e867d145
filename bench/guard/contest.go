package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// result is what one contender did.
type result struct {
	messages    int
	took        time.Duration
	median, p99 time.Duration
	processor   time.Duration // of the hop
}

// contest lets so many connections send as fast as they are answered, each message after the answer to the one before.
func contest(ctx context.Context, o options, c *clinic, x contender, connections int) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	senders := make([]*sender, connections)
	for i := range senders {
		s, err := dial(c, x)
		if err != nil {
			return result{}, err
		}
		defer s.conn.Close()
		senders[i] = s
		if err := s.send(next.Add(1)); err != nil { // warm: handshakes and first lookups are not measured
			return result{}, err
		}
	}
	before, err := processor(x.process)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	until := began.Add(o.For)
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i, s := range senders {
		all.Go(func() {
			for errs[i] == nil && time.Now().Before(until) && ctx.Err() == nil {
				at := time.Now()
				errs[i] = s.send(next.Add(1))
				s.times = append(s.times, time.Since(at))
			}
		})
	}
	all.Wait()
	r := result{took: time.Since(began)}
	after, err := processor(x.process)
	if err = errors.Join(append(errs, err, ctx.Err())...); err != nil {
		return r, err
	}
	var times []time.Duration
	for _, s := range senders {
		times = append(times, s.times...)
	}
	slices.Sort(times)
	r.messages, r.median, r.p99, r.processor = len(times), at(times, 0.5), at(times, 0.99), after-before
	return r, nil
}

// sender is one connection of the laboratory.
type sender struct {
	conn  net.Conn
	in    *bufio.Reader
	times []time.Duration
	b     []byte
}

func dial(c *clinic, x contender) (*sender, error) {
	config := c.lab.Clone()
	if x.process == nil { // the receiver itself
		trust, err := c.trust("lab")
		if err != nil {
			return nil, err
		}
		config = trust.Client("ehr", "")
	}
	conn, err := tls.Dial("tcp", x.address, config)
	if err != nil {
		return nil, err
	}
	return &sender{conn: conn, in: bufio.NewReader(conn)}, nil
}

// people is how many patients there are.
const people = 100_000

// send sends message n and reads its answer, which must be to it.
func (s *sender) send(n int64) error {
	s.b = fmt.Appendf(s.b[:0], "\x0bMSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301093000||ORU^R01^ORU_R01|%d|P|2.5\rPID|1||%d^^^NORTH^MR||DOE^JANE^%d||19700101|F\rOBR|1|%d||CBC^COMPLETE BLOOD COUNT^L\r",
		n, n*7919%people+1, n%100, n)
	for i := range 12 {
		s.b = fmt.Appendf(s.b, "OBX|%d|NM|%d^ANALYTE %d^L||%d.%d|mmol/l|3.5-5.1|N|||F\r", i+1, 1000+i, i, n%9, i)
	}
	s.b = append(s.b, "\x1c\r"...)
	if _, err := s.conn.Write(s.b); err != nil {
		return err
	}
	var answer []byte
	for !bytes.HasSuffix(answer, []byte("\x1c\r")) {
		part, err := s.in.ReadBytes('\r')
		if err != nil {
			return err
		}
		answer = append(answer, part...)
	}
	if want := strconv.AppendInt([]byte("MSA|AA|"), n, 10); !bytes.Contains(answer, append(want, '\r')) {
		return fmt.Errorf("message %d has another answer", n)
	}
	return nil
}

// receive answers every message.
func receive(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 16<<10)
			var out []byte
			for {
				header, err := in.ReadSlice('\r')
				if err != nil {
					return
				}
				fields := bytes.SplitN(header, []byte("|"), 11)
				out = append(append(append(out[:0], "\x0bMSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ACK^R01|1|P|2.5\rMSA|AA|"...), fields[9]...), "\r\x1c\r"...)
				for {
					line, err := in.ReadSlice('\r')
					if err != nil {
						return
					}
					if line[0] == 0x1c {
						break
					}
				}
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
		}()
	}
}

// processor gives the processor time that a process has used (proc(5), fields 14 and 15 of stat, in hundredths of a second).
func processor(p *os.Process) (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond, nil
}

// fdatasyncs appends as many bytes as a message takes on record and waits for the disk, again and again, and gives the times.
func fdatasyncs(o options) ([]time.Duration, error) {
	f, err := os.OpenFile(filepath.Join(o.Dir, "fdatasync"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 600)
	var times []time.Duration
	for until := time.Now().Add(o.For / 4); time.Now().Before(until); {
		began := time.Now()
		if _, err := f.Write(b); err != nil {
			return nil, err
		}
		if err := fdatasync(f); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times, nil
}

// at gives a quantile of sorted times.
func at(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Microsecond)
}

func mean(times []time.Duration) time.Duration {
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	return sum / time.Duration(max(1, len(times)))
}
