package source

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

const stdinName = "standard input"

// Open opens captures: files, folders (read with the folders inside them), named pipes, and "-" for standard input.
// Each file is looked into for its format and the time of its first packet; a pipe is read up to its first packet.
//
// When nothing that was named can be read, that is an error, one line that says what to do next. What cannot be read
// beside others is listed by Files with its Err. In a folder, files of other kinds are Skipped.
func Open(ctx context.Context, paths []string, opt Options) (*Captures, error) {
	if len(paths) == 0 {
		return nil, errors.New("no captures were named; name files or folders, or - for standard input")
	}
	c := &Captures{follow: opt.Follow, known: newKnown(), small: make([]byte, 8<<10)}
	c.ctx, c.cancel = context.WithCancel(ctx)
	var first error
	for _, path := range paths {
		known := len(c.all)
		err := c.openPath(path, opt)
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		if len(c.all) == known {
			k := c.newCapture(found{name: path})
			k.Err = err
			c.add(k)
		}
	}
	readable := slices.ContainsFunc(c.all, func(k *capture) bool { return k.Err == nil })
	if first != nil && (!readable || ctx.Err() != nil) {
		_ = c.Close() // the first error counts
		return nil, first
	}
	return c, nil
}

// None gives no captures, for a run over other evidence.
func None(ctx context.Context) *Captures {
	c := &Captures{known: newKnown()}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

func (c *Captures) openPath(path string, opt Options) error {
	if path == "-" {
		if opt.Stdin == nil {
			opt.Stdin = os.Stdin
		}
		return c.openStdin(opt)
	}
	files, err := find(path)
	if err != nil {
		return err
	}
	captures := 0
	for _, f := range files {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if c.known.has(f) {
			captures++
			continue
		}
		is, err := c.look(f)
		if err != nil && f.folder == "" {
			return err
		}
		if err != errTooShort {
			c.known.add(f)
		}
		if is {
			captures++
		}
	}
	if captures == 0 {
		return fmt.Errorf("%s: no captures among the %d files in this folder; %s", path, len(files), accepted)
	}
	if len(files) > 0 && files[0].folder != "" {
		c.folders = append(c.folders, path)
	}
	return nil
}

func (c *Captures) openStdin(opt Options) error {
	f := found{name: stdinName}
	if c.known.names["-"] {
		return nil
	}
	c.known.names["-"] = true
	k := c.newCapture(f)
	k.src = newStream(c.ctx, onlyReader{opt.Stdin})
	_, err := c.begin(k)
	return err
}

func (c *Captures) newCapture(f found) *capture {
	k := &capture{File: File{Name: f.name}, index: int32(len(c.all)), folder: f.folder, size: -1, read: &c.read}
	if f.info != nil && f.info.Mode().IsRegular() {
		k.size = f.info.Size()
		k.follow = c.follow
	}
	return k
}

// errTooShort is for a new file in a folder that is followed: perhaps it is a capture soon.
var errTooShort = errors.New("too short to tell what it is")

// look opens a file and reports whether it is a capture, or may be one. The error says why it cannot be read at all.
func (c *Captures) look(f found) (bool, error) {
	k := c.newCapture(f)
	if f.err != nil {
		k.Err = f.err
		c.add(k)
		return true, f.err
	}
	if f.folder != "" && !f.info.Mode().IsRegular() { // a pipe, or a link to a folder
		c.skipped = append(c.skipped, f.name)
		return false, nil
	}
	if k.size < 0 {
		pipe, err := os.Open(f.name)
		if err != nil {
			return false, explainOpen(f.name, err)
		}
		k.src = newStream(c.ctx, pipe)
	}
	return c.begin(k)
}

// begin reads the first packet of a capture and takes it up.
func (c *Captures) begin(k *capture) (bool, error) {
	buf := c.small
	if k.size < 0 || k.follow {
		buf = nil // it stays open
	}
	if err := k.open(buf); err != nil {
		k.Err = explainOpen(k.Name, err)
		c.add(k)
		return true, k.Err
	}
	switch s := k.advance(); {
	case s == ready:
		c.add(k)
		if k.size >= 0 {
			k.reset() // until the merge comes to it, head has only its time
		}
		heap.Push(&c.queue, k)
	case s == paused && k.records == nil && k.folder != "":
		k.end()
		return false, errTooShort
	case s == paused:
		c.add(k)
		c.place(k, s)
	case k.records == nil && !isCapture(k.Err):
		k.end()
		if k.folder != "" {
			c.skipped = append(c.skipped, k.Name)
		}
		return false, k.Err
	default: // without packets, or damaged from the beginning
		c.add(k)
		k.end()
		if k.records == nil {
			return true, k.Err
		}
	}
	return true, nil
}

// add gives a capture its place in Files.
func (c *Captures) add(k *capture) {
	c.all = append(c.all, k)
	if k.size < 0 {
		c.endless = true
	} else {
		c.total.Add(k.size)
	}
}
