package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// rubbish puts what lies about on the day of a breach beside the evidence: rubbish DIR.
func rubbish(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	put := func(name string, b []byte) { ts.Check(os.WriteFile(filepath.Join(dir, name), b, 0o600)) }
	capture, err := os.ReadFile(filepath.Join(dir, "inside.pcapng"))
	ts.Check(err)
	log, err := os.ReadFile(filepath.Join(dir, "logs", "FILES1-Security.evtx"))
	ts.Check(err)

	put("film.mp4", append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"), bytes.Repeat([]byte{0xA5, 0, 0xFF, 7}, 50000)...))
	put("empty.log", nil)
	put("broken.pcapng", capture[:len(capture)/100])
	log[4096+40000] ^= 0xFF
	put("bad chunk.evtx", log)
	put("a name with\na line break\x1b[31m.txt", []byte("nothing of interest\n"))

	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("zeros")
	ts.Check(err)
	_, err = io.CopyN(w, zeros{}, 200<<20)
	ts.Check(err)
	ts.Check(z.Close())
	put("bomb.zip", bomb.Bytes())

	bomb.Reset()
	g := gzip.NewWriter(&bomb)
	_, err = g.Write(capture[:2000])
	ts.Check(err)
	_, err = io.CopyN(g, zeros{}, 200<<20)
	ts.Check(err)
	ts.Check(g.Close())
	put("bomb.pcapng.gz", bomb.Bytes())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
