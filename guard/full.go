package guard

import (
	"encoding/binary"
	"io"
	"net"
	"time"

	"chaperone"
	"chaperone/policy"
	"chaperone/site"
)

// fullListener is the word of connections that a full listener turned away. Nobody was asked who they are.
const fullListener = "connection to a full listener"

// A client of DICOM in the clear is told that there is no room for it: so many at once, for so long each. Whoever comes beyond that
// finds its connection closed, as all do over TLS, since a stranger's handshake costs more than its place.
const (
	mostGoodbyes = 16
	goodbyeTime  = time.Second
)

// congested is the answer of a full listener: rejected for now, by the service provider, as a local limit is exceeded.
var congested = rejection{2, 3, 2}

// turnAway ends a connection for which there was no room, and has it told; own says that its address alone has as many as one may.
func (l *listener) turnAway(socket net.Conn, from chaperone.Party, own bool) {
	g, spec := l.guard, l.spec.Load()
	g.metrics.shed(l.name)
	f := refusal{listener: l.name, word: fullListener, at: g.now(), decision: policy.Decision{Reason: busy, Version: g.rules.Load().site.Version,
		Hint: "The listener has as many connections as it may (limits: connections), and none of them owes anything: allow more, or see who has them."}}
	if own {
		f.from, f.decision.Hint = from, "This address has as many connections as one may (limits: per_address): allow more, or see why it needs them."
	}
	g.refused.note(f)
	if spec.Protocol != site.DICOM || spec.TLS == site.Mutual || !l.farewell(socket) {
		_ = socket.Close() // it was told nothing
	}
}

// farewell has a rejection said, and the connection closed behind it, unless as many are being said as may be.
func (l *listener) farewell(socket net.Conn) bool {
	if l.goodbyes.Add(1) > mostGoodbyes {
		l.goodbyes.Add(-1)
		return false
	}
	l.guard.work.Go(func() {
		defer l.goodbyes.Add(-1)
		if socket.SetDeadline(time.Now().Add(goodbyeTime)) == nil {
			_ = goodbye(socket, congested) // it is over anyway
		}
		_ = socket.Close()
	})
	return true
}

// goodbye answers an A-ASSOCIATE-RQ with a rejection (PS3.8 section 9.3.4) and waits for the client's end. What the request says is
// not kept. How long it may take is the socket's deadline.
func goodbye(socket net.Conn, r rejection) error {
	var head [6]byte
	if _, err := io.ReadFull(socket, head[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[2:])
	if err := checkPDU(head[0], length); err != nil {
		return err
	}
	if head[0] != pduAssociateRQ {
		return unexpected("no request for an association")
	}
	if _, err := io.CopyN(io.Discard, socket, int64(length)); err != nil {
		return err
	}
	if _, err := socket.Write([]byte{pduAssociateRJ, 0, 0, 0, 0, 4, 0, r[0], r[1], r[2]}); err != nil {
		return err
	}
	linger(socket)
	return nil
}
