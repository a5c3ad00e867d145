package disk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/seal"
)

// sealEvery is how often a checkpoint is signed while there is traffic, spaceEvery how often the disk is looked at.
const (
	sealEvery  = time.Second / 2
	spaceEvery = 10 * sealEvery
)

// sealer signs a checkpoint of what is durable twice a second and shows it to the witnesses, as long as there is something new.
func (l *Ledger) sealer(ctx context.Context) {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	shown := make(chan struct{}, 1) // room for one that is being shown to witnesses
	for n := 1; ; n++ {             // opening has looked at the disk
		select {
		case <-ctx.Done():
			shown <- struct{}{} // waits for the one that is on its way
			return
		case <-tick.C:
		}
		if n%int(spaceEvery/sealEvery) == 0 {
			if free, ok := l.look(); ok {
				l.refill(free)
			}
		}
		if !l.seal(ctx) {
			continue
		}
		if len(l.witnesses.Witnesses) == 0 || l.log.WitnessedSize() >= uint64(l.log.Tree().N) {
			continue
		}
		select {
		case shown <- struct{}{}:
			l.done.Go(func() {
				l.show(ctx)
				<-shown
			})
		default: // the last one is not answered yet
		}
	}
}

// refill makes the reserve whole again when there is room for it and some more.
func (l *Ledger) refill(free int64) {
	l.commit.Lock()
	defer l.commit.Unlock()
	l.warnOnce("reserve", l.reserve.refill(free))
}

// seal signs what is durable and tells of what keeps it from that. A close in the middle of it is no trouble: closing signs itself.
func (l *Ledger) seal(ctx context.Context) (sealed bool) {
	err := l.withRoom(func() error { return l.sign(ctx) })
	if ctx.Err() != nil {
		return false
	}
	l.warnOnce("seal", err)
	return err == nil
}

// sign makes a checkpoint of what is durable.
func (l *Ledger) sign(ctx context.Context) error {
	durable := l.durable.Load()
	if uint64(l.log.Tree().N) == durable && l.log.Latest() != nil {
		return nil
	}
	return l.log.Checkpoint(ctx, durable)
}

// show asks the witnesses to cosign. One that knows another ledger under this name is told of, and does not stop recording:
// its answer is not signed, and what it did not cosign shows in every answer.
func (l *Ledger) show(ctx context.Context) {
	answers, err := l.log.Cosign(ctx, l.client, l.witnesses)
	if errors.Is(err, seal.ErrRolledBack) || errors.Is(err, seal.ErrRewritten) {
		err = nil // that is one of the answers
	}
	if ctx.Err() == nil {
		l.warnOnce("witnesses", err)
	}
	for _, a := range answers {
		if errors.Is(a.Err, seal.ErrRewritten) {
			a.Err = fmt.Errorf("%w; ledger verify, when nobody records, says what to do", a.Err)
		}
		if ctx.Err() == nil {
			l.warnOnce("witness "+a.Witness, a.Err)
		}
	}
}

// warnOnce tells the operator of a trouble that is new. Without an error it is over.
func (l *Ledger) warnOnce(what string, err error) {
	if err == nil {
		l.toldMu.Lock()
		delete(l.told, what)
		l.toldMu.Unlock()
		return
	}
	text := fmt.Sprintf("%s: %v", what, err)
	l.toldMu.Lock()
	again := l.told[what] == text
	l.told[what] = text
	l.toldMu.Unlock()
	if !again {
		l.warn(text)
	}
}

// Seal says what of the record can be proven to whom.
func (l *Ledger) Seal() ledger.Seal {
	s := ledger.Seal{Batches: l.durable.Load(), Sealed: uint64(l.log.Tree().N), Witnesses: len(l.witnesses.Witnesses), Needed: l.witnesses.Need, Later: l.later}
	if s.Witnesses > 0 {
		s.Witnessed = l.log.WitnessedSize()
	}
	return s
}
