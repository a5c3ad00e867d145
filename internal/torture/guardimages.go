package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/internal/clinicsim"
)

// imageSenders is how many storescu there are at a time.
const imageSenders = 3

// killImages kills a guard that keeps images for an archive that comes and goes: storescu before it, storescp behind it, which is killed
// as well. Whatever was acknowledged, by storescp or by the guard, is there in the end, whole, and on record as killDICOM has it.
//
// With --forget what is kept is deleted at each kill: the run must fail.
func killImages(ctx context.Context, o options) error {
	if err := hasDCMTK(); err != nil {
		return err
	}
	g, err := unconfigured(ctx, o.dir)
	if err != nil {
		return err
	}
	l := &imageLoad{pacs: dcmtk{received: filepath.Join(o.dir, "received")}, r: rand.New(rand.NewPCG(o.seed, 17)), stays: o.forget}
	defer l.leave()
	if err := l.prepare(o.dir, g.address); err != nil {
		return err
	}
	if err := g.write(fmt.Sprintf(dicomSite, g.dir, g.address, l.pacs.archive) + "    spool: {bytes: 1GiB}\n"); err != nil {
		return err
	}
	most := 0
	unknown, err := g.kills(ctx, o, l, 2*time.Second, func() error { return g.left(ctx, o.forget, &most) })
	if err != nil {
		return err
	}
	if err := errors.Join(l.comeBack(ctx), g.start(ctx), g.ready(), g.delivered(ctx), g.stop()); err != nil {
		return err
	}
	l.leave() // and what it has in its sockets is in its files
	patients, err := l.pacs.arrived()
	if err != nil {
		return err
	}
	c := &captured{got: map[string]int{}, taken: patients, links: l.links[:], unknown: unknown, delivery: object} // they are in the order of their numbers
	for _, id := range patients {
		c.got[id]++
	}
	for _, link := range c.links {
		c.acked += len(link)
	}
	if err := errors.Join(l.whole(c.links), c.check(ctx, g, "S9999999")); err != nil {
		return err
	}
	objects, err := filepath.Glob(filepath.Join(g.dir, "spool", "*", "objects", "*"))
	if err == nil && len(objects) > 0 {
		err = broken("%d objects are left of what is delivered", len(objects))
	}
	fmt.Fprintf(o.stdout, "images: %d kills, the archive left %d times, at a kill up to %d images waited, %d arrived (%d acknowledged), %d on record (%d did not arrive; %d in flight at the kills)\n",
		o.n, l.left, most, len(c.got), c.acked, c.rows, c.ahead, unknown)
	if !o.forget && (l.left == 0 || most == 0) {
		return broken("the archive never left, or nothing waited: the run shows nothing")
	}
	return err
}

// imageLoad is storescu while storescp comes and goes.
type imageLoad struct {
	pacs  dcmtk // storescp, where it is
	scp   *exec.Cmd
	stays bool // as it is: away
	left  int  // how often it left
	r     *rand.Rand
	next  atomic.Int64
	tools [imageSenders]*dcmtk
	links [imageSenders][]string // whose images were acknowledged to each
}

func (l *imageLoad) prepare(dir, guard string) (err error) {
	if l.pacs.archive, err = freeAddress(); err != nil {
		return err
	}
	err = os.Mkdir(l.pacs.received, 0o700)
	for k := range l.tools {
		l.tools[k] = &dcmtk{files: filepath.Join(dir, fmt.Sprint("sent", k)), listen: guard}
		err = errors.Join(err, os.Mkdir(l.tools[k].files, 0o700))
	}
	return err
}

func (l *imageLoad) run(ctx context.Context) (stop func() (unknown int, err error)) {
	over := make(chan struct{})
	var wait sync.WaitGroup
	var unknown atomic.Int64
	var turning error
	if !l.stays {
		wait.Go(func() { turning = comesAndGoes(over, l.r, time.Second, func() error { return l.turn(ctx) }) })
	}
	sending := make([]error, imageSenders)
	for k, t := range l.tools {
		wait.Go(func() {
			patients, more, err := t.sendOn(ctx, over, &l.next)
			l.links[k], sending[k] = append(l.links[k], patients...), err
			unknown.Add(int64(more))
		})
	}
	return func() (int, error) {
		close(over)
		wait.Wait()
		return int(unknown.Load()), errors.Join(append(sending, turning)...)
	}
}

// turn lets the archive leave, or come back.
func (l *imageLoad) turn(ctx context.Context) error {
	if l.scp == nil {
		return l.comeBack(ctx)
	}
	l.left++
	l.leave()
	return nil
}

// leave kills it.
func (l *imageLoad) leave() {
	if l.scp != nil {
		_ = l.scp.Process.Kill()
		_ = l.scp.Wait() // it was killed
		l.scp = nil
	}
}

func (l *imageLoad) comeBack(ctx context.Context) (err error) {
	if l.scp == nil {
		l.scp, err = l.pacs.storescp(ctx)
	}
	return err
}

// whole says whether what was acknowledged is in its file as it was sent.
func (l *imageLoad) whole(links [][]string) error {
	for _, link := range links {
		for _, id := range link {
			o := image(id)
			b, err := os.ReadFile(filepath.Join(l.pacs.received, "CT."+o.Instance))
			if err != nil {
				return broken("an image that was acknowledged is not there: %w", err)
			}
			if !bytes.HasSuffix(b, o.DataSet.Encode(clinicsim.ImplicitLE)) && !bytes.HasSuffix(b, o.DataSet.Encode(clinicsim.ExplicitLE)) {
				return broken("an image that was acknowledged is not as it was sent")
			}
		}
	}
	return nil
}
