package guard

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"chaperone"
	clinic "chaperone/internal/clinicsim"
	"chaperone/patient"
)

var seed = flag.Uint64("differential-seed", 1, "what TestDICOMDifferential invents by")

// arrived is a data set that came out at the far end.
type arrived struct {
	n      int
	syntax string
	data   []byte
}

// received gives what came out behind the guard, in the order of its numbers: whole, or cut by the end of an association.
func received(a *archive) (whole, cut []arrived) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := func(c *command, data []byte) arrived {
		s := arrived{syntax: syntaxes[c.context/2], data: data}
		_, _ = fmt.Sscanf(c.instance, "2.25.%d", &s.n) // the test sent it
		return s
	}
	for i, c := range a.messages {
		whole = append(whole, set(c, a.data[i]))
	}
	for _, h := range a.halves {
		cut = append(cut, set(h.command, h.data))
	}
	for _, list := range [][]arrived{whole, cut} {
		slices.SortFunc(list, func(a, b arrived) int { return a.n - b.n })
	}
	return whole, cut
}

// stores sends the data sets that fall to one sender, in pieces of several sizes, over as few associations as they let it.
func stores(t *testing.T, r *rig, all []arrived) {
	var k *talker
	for i, s := range all {
		if k == nil {
			if k = storer(t, r); k == nil {
				return
			}
		}
		k.most = []int{16384, 16384, 1006, 206, 56}[s.n%5]
		if len(s.data) > 4000 {
			k.most = 16384
		}
		context := byte(2*slices.Index(syntaxes, s.syntax) + 1)
		err := k.send(context, true, true, set(1, fieldStore, uint16(i+1), true, clinic.Text(0x1000, "UI", fmt.Sprintf("2.25.%d", s.n))))
		if err == nil {
			err = k.send(context, false, true, s.data)
		}
		if c, _, _ := k.reply(); c == nil || err != nil { // what was wrong behind what had passed ends the association
			_ = k.conn.Close()
			k = nil
		}
	}
	if k != nil {
		_ = k.control(pduReleaseRQ, make([]byte, 4))
		_, _, _ = k.reply()
	}
}

// storer opens an association for all syntaxes.
func storer(t *testing.T, r *rig) *talker {
	c, err := net.Dial("tcp", r.guard.Address("dicom").String())
	if err != nil {
		t.Error(err)
		return nil
	}
	k := newTalker(t, c)
	q := request("CT1", "PACS")
	for n, syntax := range syntaxes {
		q.contexts = append(q.contexts, offer(byte(2*n+1), clinic.CTImage, syntax))
	}
	err = k.control(pduAssociateRQ, q.body(pduAssociateRQ))
	if err == nil {
		var p pdu
		if p, err = k.pdu(); err == nil && p.kind == pduAssociateAC {
			return k
		}
	}
	t.Errorf("no association: %v", err)
	return nil
}

// shortened is a data set as far as somebody wants to read it.
func shortened(s arrived) string {
	return long.ReplaceAllString(string(s.data), "...")
}

var long = regexp.MustCompile("yyyy+|xxxx+|\x00{32,}")

// settled waits until all associations of an archive have ended.
func (a *archive) settled(t *testing.T) {
	t.Helper()
	for range 2000 {
		a.mu.Lock()
		ended := len(a.ends) == len(a.requests)
		a.mu.Unlock()
		if ended {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("an association does not end")
}

// TestDICOMDifferential sends data sets that two receivers may read in two ways through a live guard. Whatever patient pydicom or
// dcmtk finds in what comes out, at any depth, must be on record.
func TestDICOMDifferential(t *testing.T) {
	needReaders(t)
	a := newArchive(t, well)
	r := unlimitedRig(t, a.Addr().String())
	const clients = 8
	n, seed := *differentials, *seed
	shares := make([][]arrived, clients)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		syntax, data := invented(random, i)
		shares[i%clients] = append(shares[i%clients], arrived{i, syntaxes[syntax], data})
	}
	var wait sync.WaitGroup
	for _, share := range shares {
		wait.Go(func() { stores(t, r, share) })
	}
	wait.Wait()
	a.settled(t)
	tokens, err := patient.LoadKey(filepath.Join(r.dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	whole, cut := received(a)
	all := append(whole, cut...)
	readings := readersShow(t, all)
	bad, reported := 0, 0
	for i, wrong := range sightings(readings, onRecord(r.ledger, tokens)) {
		if len(wrong) == 0 {
			continue
		}
		if bad++; bad <= 10 {
			t.Errorf("number %d in %s: a receiver sees %q, who is not on record: %q", all[i].n, all[i].syntax, wrong, shortened(all[i])) // invented people
		}
	}
	for _, wrong := range sightings(readings, func(chaperone.Record) bool { return false }) { // the check finds everybody when nobody is charged
		if len(wrong) > 0 {
			reported++
		}
	}
	t.Logf("seed %d: %d data sets sent, %d arrived and %d in part, the others were refused; %d show somebody, %d somebody who is not on record", seed, n, len(whole), len(cut), reported, bad)
	if len(whole) < n/20 || len(whole) > n*19/20 || reported < len(whole)*3/4 {
		t.Errorf("%d of %d arrived, and %d show somebody: the test shows less than it should", len(whole), n, reported)
	}
}
