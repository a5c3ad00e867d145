package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chaperone/ledger"
	"chaperone/ledger/verify"
)

// damage flips a bit of a closed ledger, cuts a file short or swaps two, again and again, in files of every kind. Whoever
// opens it then must get an error that names what is damaged, or exactly the right answers.
func damage(ctx context.Context, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 13))
	sound := filepath.Join(o.dir, "sound")
	b := newBooks(1)
	for round := range uint32(3) {
		if err := b.prepare(ctx, sound, round); err != nil {
			return err
		}
	}
	kinds, err := filesByKind(sound)
	if err != nil {
		return err
	}
	refused, right := 0, 0
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		home := filepath.Join(o.dir, "damaged")
		if err := os.CopyFS(home, os.DirFS(sound)); err != nil {
			return err
		}
		what, names, same, err := hurt(r, home, kinds[i%len(kinds)], kinds)
		if err != nil {
			return err
		}
		if err := verifyDamaged(ctx, home, names, same); err != nil {
			return fmt.Errorf("damage %d, %s: %w", i, what, err)
		}
		err = b.askDamaged(ctx, home, i/len(kinds)%2 == 0)
		switch {
		case errors.Is(err, errPromise):
			return fmt.Errorf("damage %d, %s: %w", i, what, err)
		case err != nil && !mentions(err.Error(), names):
			return fmt.Errorf("damage %d, %s: %w", i, what, broken("the error does not name the file: %w", err))
		case err != nil:
			refused++
		default:
			right++
		}
		if err := os.RemoveAll(home); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.stdout, "damage: %d times in %d kinds of files: %d refused and named, %d answered right\n", o.n, len(kinds), refused, right)
	return nil
}

// prepare opens a ledger, records and closes it.
func (b *books) prepare(ctx context.Context, home string, round uint32) error {
	return within(ctx, "filling a ledger", func(ctx context.Context) error {
		s, err := open(ctx, home, false)
		if err != nil {
			return err
		}
		return errors.Join(drive(ctx, s, b.seed, round, 6, b.add), s.Close())
	})
}

// askDamaged opens a ledger and asks everything.
func (b *books) askDamaged(ctx context.Context, home string, readOnly bool) error {
	return within(ctx, "asking a damaged ledger", func(ctx context.Context) error {
		s, err := open(ctx, home, readOnly)
		if err != nil {
			return err
		}
		err = b.check(ctx, s, true)
		closing := s.Close()
		if errors.Is(err, errPromise) || readOnly || closing == nil || errors.Is(closing, ledger.ErrFenced) {
			return err
		}
		return errors.Join(err, closing)
	})
}

// verifyDamaged verifies a damaged ledger as it is, which must be noticed: the report or the error names what is damaged.
func verifyDamaged(ctx context.Context, home string, names []string, same bool) error {
	return within(ctx, "verifying a damaged ledger", func(ctx context.Context) error {
		report, err := verify.Run(ctx, verify.Options{Dir: filepath.Join(home, "ledger"), Keys: filepath.Join(home, "keys"), Offline: true})
		if err != nil {
			if !mentions(err.Error(), names) {
				return broken("verify: the error does not name the file: %w", err)
			}
			return nil
		}
		found := len(report.Problems) > 0
		for _, p := range report.Problems {
			if mentions(filepath.FromSlash("ledger/"+p.File), names) || mentions(p.What, names) {
				return nil
			}
		}
		switch {
		case found && !same:
			return broken("verify: the problems do not name the file: %v", report.Problems[0])
		case found:
			return broken("verify: a problem where there is none: %v", report.Problems[0])
		case !same:
			return broken("verify: nothing was noticed")
		}
		return nil
	})
}

func mentions(text string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) })
}

// filesByKind lists a home's files, those of one kind together.
func filesByKind(home string) ([][]string, error) {
	byKind := map[string][]string{}
	err := fs.WalkDir(os.DirFS(home), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > 0 {
			byKind[kindOf(name)] = append(byKind[kindOf(name)], name)
		}
		return err
	})
	var kinds [][]string
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		kinds = append(kinds, byKind[kind])
	}
	return kinds, err
}

// kindOf tells files apart by folder, and by name where names are not numbers.
func kindOf(name string) string {
	dir, base := path.Split(name)
	if strings.HasPrefix(dir, "ledger/log/tile") {
		return "tile"
	}
	if ext := path.Ext(base); ext != "" && ext != ".key" && strings.Trim(base, "0123456789.") == strings.TrimPrefix(ext, ".") {
		return dir + ext
	}
	return dir + strings.Trim(base, "0123456789.-")
}

// hurt damages one file of a kind, or swaps it with any other. names are those of which an error must name one; same says
// that it makes no difference: a file was swapped with its equal, or it is one of the keys that verifying does not need.
func hurt(r *rand.Rand, home string, kind []string, all [][]string) (what string, names []string, same bool, err error) {
	name := pick(r, kind...)
	file := filepath.Join(home, filepath.FromSlash(name))
	b, err := os.ReadFile(file)
	if err != nil {
		return "", nil, false, err
	}
	same = strings.HasPrefix(name, "keys/")
	switch r.IntN(5) {
	case 0, 1:
		bit := r.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
		return fmt.Sprintf("%s: bit %d of byte %d flipped", name, bit%8, bit/8), namesOf(name), same, os.WriteFile(file, b, 0o600)
	case 2, 3:
		size := r.IntN(len(b))
		return fmt.Sprintf("%s: cut from %d to %d bytes", name, len(b), size), namesOf(name), same, os.Truncate(file, int64(size))
	}
	other := pick(r, pick(r, all...)...)
	if r.IntN(2) == 0 {
		other = pick(r, kind...)
	}
	second := filepath.Join(home, filepath.FromSlash(other))
	c, err := os.ReadFile(second)
	err = errors.Join(err, os.WriteFile(file, c, 0o600), os.WriteFile(second, b, 0o600))
	same = bytes.Equal(b, c) || same && strings.HasPrefix(other, "keys/")
	return fmt.Sprintf("%s and %s swapped", name, other), append(namesOf(name), namesOf(other)...), same, err
}

// namesOf gives what an error may call a file. Of the index it may name the folder, which is made anew as a whole; its engine
// says a file's number only.
func namesOf(file string) []string {
	base := path.Base(file)
	names := []string{base}
	if strings.HasPrefix(file, "ledger/index/") {
		names = append(names, filepath.Join("ledger", "index"), "file "+strings.TrimSuffix(base, path.Ext(base)))
	}
	return names
}
