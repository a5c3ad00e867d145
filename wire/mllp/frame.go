package mllp

import "bytes"

// Frame bytes of the Minimal Lower Layer Protocol (HL7 MLLP release 1: <SB> data <EB><CR>).
const (
	startBlock = 0x0B
	endBlock   = 0x1C
	carriage   = 0x0D
	commitACK  = 0x06 // release 2: a payload of this one byte is a commit acknowledgement
	commitNAK  = 0x15
)

// state is where a direction stands.
type state uint8

const (
	idle state = iota // between frames
	body              // inside a frame
	end1              // behind the end block character
	lost              // the beginning of what passes here was not seen
)

// input is what the next byte is to the state machine.
type input uint8

const (
	vt input = iota
	fs
	cr
	other
)

func classify(b byte) input {
	switch b {
	case startBlock:
		return vt
	case endBlock:
		return fs
	case carriage:
		return cr
	}
	return other
}

// action is what a transition does.
type action uint8

const (
	nothing   action = iota
	begin            // a frame starts
	keep             // the byte belongs to the frame
	finish           // the frame is whole
	noise            // a byte outside a frame, which only CR may be
	restart          // a frame starts inside another: the first was never ended
	unend            // the end block was a byte of the frame
	finishBad        // the frame ended without CR, and the next one starts
)

type step struct {
	next state
	act  action
}

// transitions is the state machine: every (state, input) pair has an entry. The strict grammar is the entries with
// nothing, begin, keep and finish; the others read what lenient receivers read, and are reported as malformed.
var transitions = [...][4]step{
	idle: {vt: {body, begin}, fs: {idle, noise}, cr: {idle, nothing}, other: {idle, noise}},
	body: {vt: {body, restart}, fs: {end1, nothing}, cr: {body, keep}, other: {body, keep}},
	end1: {vt: {body, finishBad}, fs: {end1, unend}, cr: {idle, finish}, other: {body, unend}},
	lost: {vt: {body, restart}, fs: {end1, nothing}, cr: {lost, keep}, other: {lost, keep}},
}

// plain gives the length of the run at the start of p that changes no state: the bytes of a frame up to the next
// start or end block. It looks at a window at a time, so that a stream of one of the two is not searched for the
// other to its end each time.
func plain(p []byte) int {
	const window = 1 << 10
	for at := 0; at < len(p); at += window {
		w := p[at:min(at+window, len(p))]
		n := len(w)
		for _, block := range []byte{startBlock, endBlock} {
			if i := bytes.IndexByte(w, block); i >= 0 {
				w = w[:i]
			}
		}
		if len(w) < n {
			return at + len(w)
		}
	}
	return len(p)
}
