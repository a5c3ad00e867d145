package guard

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// TestRevokeDICOMRest: of an object that pauses when the certificate is revoked, what is sent then does not pass.
func TestRevokeDICOMRest(t *testing.T) {
	piece := bytes.Repeat([]byte(mark+"  "), 1000)
	begin := func(k *talker) {
		object := imageOf(askedNumber, askedUID, 0)
		object = binary.LittleEndian.AppendUint32(object[:len(object)-4], endless)
		k.must(k.send(1, true, true, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", askedUID+".1.1"))))
		k.must(k.send(1, false, false, object))
		k.must(k.send(1, false, false, piece))
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, revoked := range []bool{true, false} { // without it, all of it passes: else the test shows nothing
			t.Run(fmt.Sprintf("%s/revoked %v", tls.VersionName(version), revoked), func(t *testing.T) {
				v := newRevocable(t, version)
				k, _ := v.dial()
				k.associate()
				begin(k)
				var arrived int64
				got := func() int64 { return v.at.last.Load().n.Load() }
				eventually(t, "some of it arrives", func() bool { arrived = got(); return arrived > int64(len(piece)) })
				if revoked {
					v.papers.revoke(t, v.serials["ct1"])
					eventually(t, "the association ends", func() bool { return v.open() == 0 })
				}
				_ = k.send(1, false, false, piece) // it may know already
				if !revoked {
					eventually(t, "the rest arrives", func() bool { return got() > arrived+int64(len(piece)) })
					return
				}
				eventually(t, "the archive knows", v.over)
				if n := got() - arrived; n >= int64(len(piece)) { // less may have been on its way
					t.Errorf("%d bytes passed", n)
				}
			})
		}
	}
}

// TestRevokeDICOMBlocked: who does not read what it is sent, so that the guard waits in the middle of a PDU, is cut off all the same,
// and so is the archive that sends it.
func TestRevokeDICOMBlocked(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			v := newRevocable(t, version)
			k, _ := v.dial()
			k.associate()
			k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", askedUID)))
			eventually(t, "the object is on record", func() bool { return len(v.rows()) == 2 })
			v.papers.revoke(t, v.serials["ct1"])
			eventually(t, "the association ends", func() bool { return v.open() == 0 })
			eventually(t, "the archive knows", v.over)
			if v.poured.Load() {
				t.Error("all of it was taken")
			}
		})
	}
}
