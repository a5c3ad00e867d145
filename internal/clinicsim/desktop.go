package clinicsim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

const portDesktop = 3389

// Security protocols of remote desktop (MS-RDPBCGR section 2.2.1.1.1).
const (
	desktopTLS = 1
	desktopNLA = 2
	nlaMissing = 5 // failure code: HYBRID_REQUIRED_BY_SERVER
)

// desktop is one remote desktop connection. What is inside TLS is random, but as long as the real thing.
type desktop struct {
	*flow
	shown int // bytes of the screen
}

// desktop opens a connection to a server and gets through TLS; the cookie is what the client says of its user.
func (w *week) desktop(r *rand.Rand, at time.Duration, client, server Host, cookie string, selected uint32) *desktop {
	requested := selected
	if selected == desktopNLA {
		requested = pick[uint32](r, 3, 0x0B)
	}
	d := w.negotiate(r, at, client, server, cookie, requested, selected, 0)
	name := ""
	if inside(client.Addr) && one(r, 2) {
		name = computer(server)
	}
	shake(d.flow, r, name, w.certificate(server))
	return d
}

// negotiate is the X.224 connection request and its confirmation or, with a failure code, its refusal (sections 2.2.1.1 and 2.2.1.2).
func (w *week) negotiate(r *rand.Rand, at time.Duration, client, server Host, cookie string, requested, selected, failure uint32) *desktop {
	d := &desktop{flow: w.net.open(r, at, client.Addr, server.Addr, portDesktop)}
	d.calm = true
	if len(cookie) > 9 {
		cookie = cookie[:9]
	}
	le := binary.LittleEndian
	request := []byte{0xE0, 0, 0, 0, 0, 0}
	if cookie != "" {
		request = append(request, "Cookie: mstshash="+cookie+"\r\n"...)
	}
	request = le.AppendUint32(append(request, 1, 0, 8, 0), requested)
	d.Send(FromClient, tpkt(request))
	confirm := []byte{0xD0, 0, 0, 0x12, 0x34, 0}
	if failure != 0 {
		d.Send(FromServer, tpkt(le.AppendUint32(append(confirm, 3, 0, 8, 0), failure)))
		return d
	}
	d.Send(FromServer, tpkt(le.AppendUint32(append(confirm, 2, 0x1F, 8, 0), selected)))
	return d
}

// tpkt wraps an X.224 PDU (RFC 1006 section 6, X.224 section 13.3: a length, then the rest).
func tpkt(pdu []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{3, 0}, uint16(len(pdu)+5))
	return append(append(b, byte(len(pdu))), pdu...)
}

// authenticate is CredSSP (MS-CSSP section 3.1.5): the challenge, and the proof that the server takes or not.
func (d *desktop) authenticate(good bool) {
	d.Send(FromClient, sealed(d.rand, 90))
	d.Send(FromServer, sealed(d.rand, 290+d.rand.IntN(60)))
	d.Send(FromClient, sealed(d.rand, 580+d.rand.IntN(80)))
	d.at(d.now + time.Duration(20+d.rand.IntN(200))*time.Millisecond) // the password is checked
	if !good {
		d.Send(FromServer, sealed(d.rand, 42))
		d.close(FromClient)
		return
	}
	d.Send(FromServer, sealed(d.rand, 110))
	d.Send(FromClient, sealed(d.rand, 120+d.rand.IntN(60)))
}

// connect is what follows on a successful logon: settings, licence, fonts, and the first picture.
func (d *desktop) connect() {
	for range 6 {
		d.Send(FromClient, sealed(d.rand, 100+d.rand.IntN(400)))
		d.Send(FromServer, sealed(d.rand, 80+d.rand.IntN(500)))
	}
	d.screen(9000 + d.rand.IntN(6000))
}

// work lets somebody work until a time: keys and mouse one way, about so many bytes of the screen the other way.
func (d *desktop) work(until time.Duration, bytes int, wait func(time.Duration)) {
	bytes += d.shown
	for d.now < until {
		left := until - d.now
		pause := time.Duration(float64(left) * 0.5 * d.rand.Float64())
		d.at(d.now + max(pause, 75*time.Second))
		wait(d.now)
		var keys []byte
		for range 1 + d.rand.IntN(6) {
			keys = append(keys, sealed(d.rand, 40+d.rand.IntN(80))...)
		}
		d.Send(FromClient, keys)
		if d.shown < bytes {
			d.screen(min(bytes-d.shown, 2000+d.rand.IntN(16000)))
		} else {
			d.screen(300 + d.rand.IntN(500))
		}
	}
	for d.shown < bytes {
		d.screen(min(bytes-d.shown, 14000))
	}
	wait(d.now)
}

// screen shows a picture, in records that fit into a segment each, as the server sends them at once.
func (d *desktop) screen(n int) {
	d.shown += n
	for n > 0 {
		size := min(n, 1100+d.rand.IntN(300))
		d.Send(FromServer, sealed(d.rand, size))
		n -= size
	}
}

// leave ends the session.
func (d *desktop) leave() {
	d.Send(FromClient, sealed(d.rand, 40))
	d.close(FromServer)
}
