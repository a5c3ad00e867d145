// Command gen writes the invented clinic's capture, truth and host names into a folder, one big capture for
// benchmarks, or the evidence of a theft.
//
//	go run ./internal/clinicsim/gen -dir testdata
//	go run ./internal/clinicsim/gen -dir /tmp/big -patients 3000 -images 524288
//	go run ./internal/clinicsim/gen -theft -seed 2087 -days 4 -dir testdata/clinic-2016
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
	theft := flag.Bool("theft", false, "write the evidence of a theft into the folder")
	honest := flag.Bool("honest", false, "write the evidence of a week without a theft into the folder")
	days := flag.Int("days", 0, "days of a theft (default 5)")
	flag.Parse()
	var err error
	if *theft || *honest {
		_, err = clinicsim.WriteTheft(*dir, clinicsim.TheftOptions{Seed: o.Seed, Days: *days, Intruder: *theft, Patients: o.Patients})
	} else {
		err = run(*dir, o)
	}
	if err != nil {
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
