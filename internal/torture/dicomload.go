package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/internal/clinicsim"
)

// errand is what a client does on an association, whose first context tells the archive what it is. Both ends perform it, each with what it
// knows.
type errand struct {
	letter  string // of the patients' numbers
	people  int
	classes []string
	perform func(a *clinicsim.Association, k *known)
}

// known is what an end knows of an errand.
type known struct {
	patient func() string
	found   func() []clinicsim.DataSet
	moved   func() (status uint16)
}

var errands = []errand{
	{"S", 1, []string{clinicsim.CTImage}, func(a *clinicsim.Association, k *known) {
		a.Store(clinicsim.FromClient, image(k.patient()), nil, clinicsim.Success)
	}},
	{"F", foundTogether, []string{clinicsim.StudyRootFind}, func(a *clinicsim.Association, k *known) {
		id := a.FindRequest(clinicsim.StudyRootFind, study(""))
		a.FindAnswers(clinicsim.StudyRootFind, id, k.found())
		a.FindEnd(clinicsim.StudyRootFind, id, clinicsim.Success)
	}},
	{"G", 1, []string{clinicsim.StudyRootGet, clinicsim.CTImage}, func(a *clinicsim.Association, k *known) {
		id := a.GetRequest(clinicsim.StudyRootGet, keys(k.patient()))
		a.Store(clinicsim.FromServer, image(k.patient()), nil, clinicsim.Success)
		a.GetAnswer(clinicsim.StudyRootGet, id, clinicsim.Success, clinicsim.Counts{Completed: 1})
	}},
	move("M", pastTitle),
	move("T", throughTitle),
}

// dicomSenders is how many clients there are: two for each errand.
const dicomSenders = 10

// association is one end of an errand's. All of it is implicit VR, as the guard's own inquiries are.
func (d *errand) association(e *dicomEnd) *clinicsim.Association {
	a := &clinicsim.Association{To: e, Calling: "CT", Called: "PACS", MaxPDU: [2]int{16384, 16384}}
	for i, class := range d.classes {
		a.Contexts = append(a.Contexts, clinicsim.Context{ID: byte(2*i + 1), Abstract: class, Offered: []string{clinicsim.ImplicitLE}, Accepted: clinicsim.ImplicitLE,
			SCPRole: i > 0}) // an image that is brought
	}
	return a
}

// archive takes, finds and brings, and notes with the clients what arrived.
type archive struct {
	net.Listener
	rooms []room // where it moves images to
	found atomic.Int64

	mu    sync.Mutex
	got   map[string]int // by the patient's number
	first []string       // the same, as each came for the first time
}

func newArchive() (*archive, error) {
	l, err := net.Listen("tcp", behind+":0")
	if err != nil {
		return nil, err
	}
	a := &archive{Listener: l, got: map[string]int{}}
	go a.listen(l, "S") // the others' numbers are keys
	return a, nil
}

// listen serves who connects, and notes the patients with one of the letters.
func (a *archive) listen(l net.Listener, letters string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go a.serve(c, letters)
	}
}

// see notes the patients with one of the letters in what arrived.
func (a *archive) see(letters string) func(b []byte) {
	return func(b []byte) {
		for _, id := range numbers.FindAll(b, -1) {
			if bytes.Contains([]byte(letters), id[:1]) {
				a.mu.Lock()
				if a.got[string(id)]++; a.got[string(id)] == 1 {
					a.first = append(a.first, string(id))
				}
				a.mu.Unlock()
			}
		}
	}
}

func (a *archive) serve(c net.Conn, letters string) {
	defer c.Close()
	e := &dicomEnd{conn: c, dir: clinicsim.FromServer, see: a.see(letters)}
	if e.err = e.take(); e.err != nil {
		return
	}
	i := slices.IndexFunc(errands, func(d errand) bool { return bytes.Equal(firstClass(e.last), []byte(d.classes[0])) })
	if i < 0 {
		return
	}
	script := errands[i].association(e)
	script.Accept()
	for e.err == nil { // until the release
		errands[i].perform(script, &known{
			patient: func() string { return string(numbers.Find(e.last)) },
			found:   func() []clinicsim.DataSet { return a.find(e.last) },
			moved:   func() uint16 { return a.move(e.last) },
		})
	}
}

// firstClass gives the abstract syntax of the first presentation context of an A-ASSOCIATE-RQ (PS3.8 table 9-14).
func firstClass(request []byte) []byte {
	_, item, _ := bytes.Cut(request, []byte{0x30, 0})
	if len(item) < 2 || len(item) < 2+int(item[1]) {
		return nil
	}
	return item[2 : 2+int(item[1])]
}

// find finds whom a query names, or some whom nobody has found before.
func (a *archive) find(query []byte) (list []clinicsim.DataSet) {
	if named := numbers.Find(query); named != nil {
		return []clinicsim.DataSet{study(string(named))}
	}
	for range foundTogether {
		list = append(list, study(fmt.Sprintf("F%07d", a.found.Add(1))))
	}
	return list
}

// dicomLoad is what clients do.
type dicomLoad struct {
	address string
	archive *archive
	next    atomic.Int64
	refused atomic.Int64
	links   [dicomSenders + 1][]string // whose images were acknowledged to each client; the last is storescu
	tools   *dcmtk                     // nil: they are not there
}

func (l *dicomLoad) run(ctx context.Context) (stop func() (unknown int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	var unknown atomic.Int64
	for k := range dicomSenders {
		d := &errands[k%len(errands)]
		wait.Go(func() {
			for ctx.Err() == nil {
				err := l.associate(ctx, k, d)
				switch {
				case errors.Is(err, errNoAnswer):
					unknown.Add(int64(d.people))
				case errors.Is(err, errRefused):
					l.refused.Add(1)
					if d.classes[0] == clinicsim.StudyRootMove { // it is on record before the archive tries, and may fail
						unknown.Add(int64(d.people))
					}
				}
				if err != nil { // nobody listens
					time.Sleep(2 * time.Millisecond)
				}
			}
		})
	}
	var failed error
	if l.tools != nil {
		wait.Go(func() {
			patients, more, err := l.tools.sendOn(ctx, ctx.Done(), &l.next)
			l.links[dicomSenders], failed = append(l.links[dicomSenders], patients...), err
			unknown.Add(int64(more))
		})
	}
	return func() (int, error) {
		cancel()
		wait.Wait()
		return int(unknown.Load()), failed
	}
}

// associate does one errand a few times. The error is errNoAnswer when it is not known what became of the last one.
func (l *dicomLoad) associate(ctx context.Context, k int, d *errand) error {
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	defer c.Close()
	e := &dicomEnd{conn: c, dir: clinicsim.FromClient, see: l.archive.see(d.letter)}
	script := d.association(e)
	script.Open()
	for i := 0; i < 10 && e.err == nil && ctx.Err() == nil; i++ {
		patient := fmt.Sprintf("%s%07d", d.letter, l.next.Add(1))
		d.perform(script, &known{
			patient: func() string { return patient },
			found:   func() []clinicsim.DataSet { return make([]clinicsim.DataSet, foundTogether) },
			moved:   func() uint16 { return clinicsim.Success }, // the archive says what it is
		})
		switch {
		case errors.Is(e.err, errRefused):
		case e.err != nil:
			return fmt.Errorf("%w: %w", errNoAnswer, e.err)
		case d.letter != "F":
			l.links[k] = append(l.links[k], patient)
		}
	}
	script.Release()
	return e.err
}
