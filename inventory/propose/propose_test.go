package propose_test

import (
	"bytes"
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/inventory/propose"
	"chaperone/patient"
	"chaperone/site"
	"chaperone/watch"
)

var update = flag.Bool("update", false, "rewrite testdata")

// proposed watches a capture and gives the site file that is proposed, which must be a good one.
func proposed(t *testing.T, capture string, names map[netip.Addr]string) (string, *site.Site) {
	t.Helper()
	seen := propose.New()
	r, err := watch.Run(context.Background(), watch.Options{Paths: []string{capture}, Tokens: patient.NewTokenizer([32]byte{1}), Seen: seen.Event})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := seen.Site(propose.Known{Site: r.Site, Trails: r.Detected.Trails, Census: r.Census, Names: names}).Write(&out); err != nil {
		t.Fatal(err)
	}
	s, problems := site.Parse(out.Bytes())
	if s == nil {
		t.Fatalf("%s\n%s", (&site.Error{Path: capture, Problems: problems}).Error(), out.String())
	}
	return out.String(), s
}

// TestClinic: the proposal for the clinic of the tests, line by line.
func TestClinic(t *testing.T) {
	names, err := watch.LoadNames("../../testdata/hosts.csv")
	if err != nil {
		t.Fatal(err)
	}
	got, s := proposed(t, "../../testdata/clinic.pcapng", names)
	const golden = "testdata/clinic.yaml"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s is another; -update rewrites it\n%s", golden, got)
	}
	for _, w := range s.Warnings {
		if !strings.Contains(w.Text, "in the clear") {
			t.Errorf("got a warning that is not about the protection that was seen: %s", w.Text)
		}
	}
	for _, l := range s.Listeners {
		if l.Mode != site.Observe {
			t.Errorf("listener %s would refuse something", l.Name)
		}
	}
}

// TestPeers: what other programs recorded gives good files, too: on a loopback address, with one system or many.
func TestPeers(t *testing.T) {
	all, err := filepath.Glob("../../testdata/peer/*.pcap*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, capture := range all {
		t.Run(filepath.Base(capture), func(t *testing.T) {
			first, _ := proposed(t, capture, nil)
			second, _ := proposed(t, capture, nil)
			if first != second {
				t.Errorf("the same capture gave two proposals:\n%s\n%s", first, second)
			}
			if strings.Contains(first, "Granger") || strings.Contains(first, "Hermione") {
				t.Error("a patient's name is in it")
			}
		})
	}
}
