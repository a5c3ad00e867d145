// Command gen writes the invented clinic's capture, truth and host names into a folder, or one big capture for
// benchmarks.
//
//	go run ./internal/clinicsim/gen -dir testdata
//	go run ./internal/clinicsim/gen -dir /tmp/big -patients 3000 -images 524288
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/internal/clinicsim"
)

func main() {
	var o clinicsim.Options
	dir := flag.String("dir", "testdata", "folder to write into")
	flag.Uint64Var(&o.Seed, "seed", 1, "seed")
	flag.IntVar(&o.Patients, "patients", 0, "patients (default 200)")
	flag.Float64Var(&o.Hours, "hours", 0, "length of the day (default 10)")
	flag.IntVar(&o.Images, "images", 0, "bytes of an image (default 8192)")
	flag.IntVar(&o.ImagesPerStudy, "per-study", 0, "images of a study (default 3)")
	flag.Parse()
	if err := run(*dir, o); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(2)
	}
}

func run(dir string, o clinicsim.Options) error {
	f, err := os.Create(filepath.Join(dir, "clinic.pcapng"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	truth, err := clinicsim.Write(w, o)
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "clinic.truth.json"), truth.JSON(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "hosts.csv"), clinicsim.HostsCSV(), 0o644)
}
