package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// engine takes messages: what it got is what was released.
type engine struct {
	net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	got   map[string]int // by control ID
	first []string       // the same, as each came for the first time
	not   map[string]int // what it did not take
	conns map[net.Conn]bool
	away  bool

	rejects bool // every tenth message, when it comes for the first time
}

func newEngine() (*engine, error) { return newEngineAt(behind + ":0") }

func newEngineAt(address string) (*engine, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	e := &engine{got: map[string]int{}, not: map[string]int{}, conns: map[net.Conn]bool{}}
	e.listen(l)
	return e, nil
}

func (e *engine) listen(l net.Listener) {
	e.Listener, e.away = l, false
	e.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			if e.conns[c] = true; e.away {
				_ = c.Close() // it came too late
			}
			e.mu.Unlock()
			e.serving.Go(func() { e.serve(c) })
		}
	})
}

// leave ends the engine with its connections: what they hold is not taken.
func (e *engine) leave() {
	_ = e.Close() // it is over
	e.mu.Lock()
	e.away = true
	for c := range e.conns {
		_ = c.Close() // the same
	}
	e.mu.Unlock()
	e.serving.Wait()
}

// comeBack is the engine at its address again.
func (e *engine) comeBack() error {
	l, err := net.Listen("tcp", e.Addr().String())
	if err == nil {
		e.listen(l)
	}
	return err
}

func (e *engine) serve(c net.Conn) {
	defer func() {
		_ = c.Close() // whatever becomes of it
		e.mu.Lock()
		delete(e.conns, c)
		e.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	for {
		payload, err := readFrame(in)
		if err != nil {
			return
		}
		id := field(payload, 0, 9)
		code := e.take(id)
		if _, err := fmt.Fprintf(c, "\x0bMSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ACK|a%s|P|2.5\rMSA|%s|%s\r\x1c\r", id, code, id); err != nil {
			return
		}
	}
}

// take notes a message, and gives the code of its answer.
func (e *engine) take(id string) (code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rejects && strings.HasSuffix(id, "7") && e.not[id]+e.got[id] == 0 {
		e.not[id]++
		return "AR"
	}
	if e.got[id]++; e.got[id] == 1 {
		e.first = append(e.first, id)
	}
	return "AA"
}
