package guard

import (
	"bytes"
	"slices"
	"testing"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
)

// keptExample is what is kept of a C-STORE that serves a C-MOVE, on an association of two contexts with a user.
func keptExample(t testing.TB) (a *association, c *command) {
	t.Helper()
	a = request("CT1", "PACS", offer(1, clinic.MRImage, implicitVR), offer(3, clinic.CTImage, rle, explicitVR))
	a.contexts[1].accepted = rle
	a.kept = append(a.kept, [2][]byte{{itemVersion}, []byte("CT 7")}, [2][]byte{{itemIdentity}, []byte("\x01\x00\x00\x04user\x00\x00")})
	a.roles = []role{{clinic.CTImage, 1, 1}}
	raw := set(1, fieldStore, 7, true, instanceOf(1), clinic.Text(0x1030, "AE", "VIEWER"), clinic.Short(0x1031, 9))
	c, err := readCommand(3, raw)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// TestKeptObject: what is kept asks for the one context in its one transfer syntax, under the client's titles and names, and has the command as
// it came; the user has no part in it.
func TestKeptObject(t *testing.T) {
	a, c := keptExample(t)
	k, err := readKept(&spool.Entry{Message: a.keep(c)})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.raw, c.raw) || k.instance != c.instance || k.id != 7 {
		t.Errorf("got command % x, want % x", k.raw, c.raw)
	}
	q, err := readAssociation(pduAssociateRQ, k.request)
	if err != nil {
		t.Fatal(err)
	}
	if len(q.contexts) != 1 || q.contexts[0].abstract != clinic.CTImage || !slices.Equal(q.contexts[0].transfer, []string{rle}) {
		t.Errorf("got contexts %v", q.contexts)
	}
	if q.calling() != "CT1" || q.called() != "PACS" || !q.has(itemClassUID) || !q.has(itemVersion) || q.has(itemIdentity) || len(q.roles) != 0 {
		t.Errorf("got %q for %q, %v, %v", q.calling(), q.called(), q.kept, q.roles)
	}
}

// FuzzKept: whatever was kept, reading it ends; what is read asks for one context as keep does, and is the same when it is kept again.
func FuzzKept(f *testing.F) {
	a, c := keptExample(f)
	whole := a.keep(c)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add([]byte{0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := readKept(&spool.Entry{Message: b})
		if err != nil {
			return
		}
		q, err := readAssociation(pduAssociateRQ, k.request)
		if err != nil {
			t.Fatal(err)
		}
		q.contexts[0].accepted = k.transfer
		again, err := readKept(&spool.Entry{Message: q.keep(k.command)})
		if err != nil || again.transfer != k.transfer || !bytes.Equal(again.raw, k.raw) || again.instance != k.instance {
			t.Errorf("kept again it is %q of %d bytes, %v", again.transfer, len(again.raw), err)
		}
	})
}
