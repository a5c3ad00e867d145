package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"chaperone/guard/spool"
	"chaperone/ledger/durable"
)

// imageCuts lets the power fail under a guard's spool of images: what was acknowledged and not handed over is there afterwards, byte for byte,
// and nothing is half there. What its receiver was found not to have does not count as given.
func imageCuts(ctx context.Context, o options) error {
	return cutPower(ctx, o, "keep", "hand over", "images")
}

// keepers is how many clients bring images at a time.
const keepers = 3

func openSpool(home string) (*spool.Spool, error) {
	return spool.Open(spool.Options{Dir: filepath.Join(home, "spool"), Key: spoolKey, Bytes: 1 << 30, Messages: 1 << 20})
}

func spoolKey(id [16]byte) [32]byte { return [32]byte(append(id[:], id[:]...)) }

// content gives an image by its number: some are of one chunk, some of several.
func content(number int) []byte {
	r := rand.New(rand.NewPCG(uint64(number), 23))
	b := make([]byte, 1+r.IntN(200<<10))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// keepImages keeps images and hands them over, until it is killed or refused.
func keepImages(ctx context.Context, b *books, home string, round uint32, out io.Writer) error {
	s, err := openSpool(home)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make([]error, keepers+1)
	var wait sync.WaitGroup
	for k := range keepers {
		wait.Go(func() {
			defer cancel()
			for i := 0; ctx.Err() == nil && failed[k] == nil; i++ {
				failed[k] = keepImage(s, int(round)*1_000_000+i*keepers+k, out)
			}
		})
	}
	wait.Go(func() {
		defer cancel()
		r := rand.New(rand.NewPCG(uint64(b.seed), uint64(round)))
		for ctx.Err() == nil && failed[keepers] == nil {
			failed[keepers] = turnImage(s, b, home, r, out)
		}
	})
	wait.Wait()
	return errors.Join(errors.Join(failed...), s.Close())
}

// keepImage keeps an image as the guard does, and then acknowledges it.
func keepImage(s *spool.Spool, number int, out io.Writer) error {
	o, err := s.Create()
	if err != nil {
		return err
	}
	if _, err := o.Write(content(number)); err != nil {
		o.Drop()
		return err
	}
	if err := o.Keep(spool.Entry{Came: time.Now(), To: "pacs", IDs: []string{strconv.Itoa(number)}}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "o %d\n", number)
	return err
}

// turnImage does with the oldest image what archives make a guard do.
func turnImage(s *spool.Spool, b *books, home string, r *rand.Rand, out io.Writer) error {
	k, err := s.Peek()
	if err != nil {
		return err
	}
	if k == nil {
		time.Sleep(time.Millisecond)
		return nil
	}
	switch r.IntN(6) {
	case 0:
		return s.Postpone(k.Number)
	case 1:
		_, err := s.Reject(k.Number, "status C000")
		return err
	case 2:
		return lackImage(s, k, b, home, r, out)
	}
	return deliverImage(s, k, out)
}

// lackImage gives an image to who does not have it then, or has another in its place, and says so. When that happened to it before, it is handed over.
func lackImage(s *spool.Spool, k *spool.Kept, b *books, home string, r *rand.Rand, out io.Writer) error {
	number, err := wholeImage(s, k)
	if err != nil {
		return err
	}
	if b.lacked[number] != "" {
		return deliverImage(s, k, out)
	}
	s.Giving(k.Object)
	if err := durable.SyncFolder(filepath.Join(home, "spool", "objects")); err != nil { // as another image may, at any time
		return err
	}
	lacked, note := "l", s.NotGiven
	if r.IntN(2) == 0 {
		lacked, note = "a", s.Another
	}
	if err := note(k.Object); err != nil {
		return err
	}
	b.lacked[number] = lacked
	if _, err := fmt.Fprintf(out, "%s %d\n", lacked, number); err != nil {
		return err
	}
	_, err = s.Reject(k.Number, "status C000")
	return err
}

// deliverImage delivers an image.
func deliverImage(s *spool.Spool, k *spool.Kept, out io.Writer) error {
	number, err := wholeImage(s, k)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "g %d\n", number); err != nil {
		return err
	}
	s.Giving(k.Object)
	return s.Delivered(k.Number)
}

// wholeImage reads an image, and says whether it is what was kept.
func wholeImage(s *spool.Spool, k *spool.Kept) (number int, err error) {
	if number, err = strconv.Atoi(k.IDs[0]); err != nil {
		return 0, broken("an image without its number")
	}
	o, err := s.OpenObject(k.Object)
	if err != nil {
		return 0, broken("image %d waits and cannot be opened: %w", number, err)
	}
	defer o.Close()
	var got []byte
	for last := false; !last; {
		var piece []byte
		if piece, last, err = o.Next(); err != nil {
			return 0, broken("image %d waits and cannot be read: %w", number, err)
		}
		got = append(got, piece...)
	}
	if !bytes.Equal(got, content(number)) {
		return 0, broken("image %d is not as it was kept", number)
	}
	return number, nil
}

// handImages opens a spool, which recovers it, compares everything, and hands over half of what waits. It must succeed.
func handImages(_ context.Context, b *books, home string, _ uint32, out io.Writer) error {
	s, err := openSpool(home)
	if err != nil {
		return broken("opening: %w", err)
	}
	there, objects := map[int]bool{}, map[spool.ObjectID]bool{}
	err = spool.List(filepath.Join(home, "spool"), spoolKey, func(_ string, k spool.Kept, _ spool.State) error {
		number, err := wholeImage(s, &k)
		there[number], objects[k.Object] = true, true
		if b.lacked[number] != "" && b.images[number] && s.Given(k.Object) {
			return broken("image %d counts as given, and its receiver does not have it", number)
		}
		return err
	})
	if err != nil {
		return errors.Join(broken("reading all: %w", err), s.Close())
	}
	for number, waits := range b.images {
		if waits && !there[number] {
			return errors.Join(broken("image %d was acknowledged and is not there", number), s.Close())
		}
	}
	for _, r := range s.Repairs {
		if r.Unnamed > 0 {
			return errors.Join(broken("%d images have no entry", r.Unnamed), s.Close())
		}
	}
	files, err := filepath.Glob(filepath.Join(home, "spool", "objects", "*.[op]*"))
	if err != nil || len(files) != len(objects) {
		return errors.Join(broken("%d files of %d images: %w", len(files), len(objects), err), s.Close())
	}
	for range s.Stats().Messages / 2 {
		k, err := s.Peek()
		if err == nil {
			err = deliverImage(s, k, out)
		}
		if err != nil {
			return errors.Join(broken("delivering: %w", err), s.Close())
		}
	}
	if err := s.Close(); err != nil {
		return broken("closing: %w", err)
	}
	return nil
}
