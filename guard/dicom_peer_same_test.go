package guard

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"pgregory.net/rapid"
)

// samePatients is how long queries are drawn for each archive.
const samePatients = 4 * time.Second

// drawn is a query, and whom it is about by what the archive has.
type drawn struct {
	keys  []string
	about []string // in order
	odd   bool     // it names somebody's study beside another patient, or what there is not
}

// drawQuery draws one that can also be a retrieval (PS3.4 C.4.2.1.4.1: unique keys above the level, at the level one or a list).
func drawQuery(t *rapid.T) (d drawn) {
	patient, study := rapid.IntRange(1, archivePatients).Draw(t, "patient"), rapid.IntRange(1, archiveStudies).Draw(t, "study")
	uid := fmt.Sprintf("2.25.%d.%d", patient, study)
	root := rapid.SampledFrom([]string{"-P", "-S"}).Draw(t, "root")
	levels := []string{"STUDY", "STUDY", "STUDY", "SERIES", "IMAGE"} // most of it where keys can be of several patients
	if root == "-P" {
		levels = append(levels, "PATIENT")
	}
	level := rapid.SampledFrom(levels).Draw(t, "level")
	number, people := fmt.Sprint("P", patient), []string{fmt.Sprint(patient)}
	list := []string{uid}
	if level == "STUDY" {
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			p := patient
			if root == "-S" {
				p = rapid.IntRange(1, archivePatients).Draw(t, "another")
			}
			list = append(list, fmt.Sprintf("2.25.%d.%d", p, rapid.IntRange(1, archiveStudies).Draw(t, "its study")))
			people = append(people, fmt.Sprint(p))
		}
	}
	slices.Sort(people)
	d.about = slices.Compact(people)
	switch rapid.IntRange(0, 7).Draw(t, "odd") {
	case 0:
		number, d.odd = fmt.Sprint("P", patient%archivePatients+1), true
	case 1:
		number, d.odd = "P9", true
	case 2:
		list, d.odd = append(list, "2.25.9.1"), true
	}
	d.keys = []string{root, "-k", "QueryRetrieveLevel=" + level}
	switch {
	case root == "-P" || d.odd:
		d.keys = append(d.keys, "-k", "PatientID="+number)
	case level == "STUDY": // what is asked for so comes with a match
		d.keys = append(d.keys, "-k", "PatientID")
	}
	if level != "PATIENT" {
		d.keys = append(d.keys, "-k", "StudyInstanceUID="+strings.Join(list, `\`))
	}
	if level == "SERIES" || level == "IMAGE" {
		d.keys = append(d.keys, "-k", "SeriesInstanceUID="+uid+".1")
	}
	if level == "IMAGE" {
		d.keys = append(d.keys, "-k", fmt.Sprint("SOPInstanceUID=", uid, ".1.", rapid.IntRange(1, archiveImages).Draw(t, "image")))
	}
	return d
}

// drawGrants draws who may ask for whose records, in one grant or in one for each way.
func drawGrants(t *rapid.T) (file string) {
	who := rapid.SampledFrom([]string{"parties: [ct1]", "roles: [modality]"}).Draw(t, "who")
	whose := rapid.SampledFrom([]string{"", "    whose: all\n", "    whose: named\n"}).Draw(t, "whose")
	actions := []string{"dicom.*"}
	if rapid.Bool().Draw(t, "apart") {
		actions = rapid.Permutation([]string{"dicom.associate", "dicom.find", "dicom.get", "dicom.move", "dicom.store"}).Draw(t, "actions")
	}
	for i, action := range actions {
		file += fmt.Sprintf("  - name: g%d\n    %s\n    actions: [%q]\n    to: [pacs, self, room]\n%s", i, who, action, whose)
	}
	return file
}

var instance = regexp.MustCompile(`2\.25\.(\d+)\.\d+\.1\.\d+`)

// takeFiles gives the patients of the objects in a folder, in order, and removes them.
func takeFiles(t *testing.T, dir string) (people []string) {
	t.Helper()
	for _, f := range glob(t, dir+"/*") {
		if m := instance.FindStringSubmatch(filepath.Base(f)); m != nil {
			people = append(people, m[1])
		}
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// TestPeerSamePatientsDrawn: whatever the grants and the keys, the same patients are covered whether they are asked for, got or moved,
// and objects of these alone come. Only of keys that contradict each other may a query find fewer, or a retrieval be refused.
func TestPeerSamePatientsDrawn(t *testing.T) {
	for name, startArchive := range archives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, room, moved, got := freePort(t), freePort(t), t.TempDir(), t.TempDir()
			start(t, room, peer(t, "storescp"), "+xa", "-aet", "ROOM", "-od", moved, room)
			startArchive(t, port, room)
			if out, err := run(t, peer(t, "storescu"), append([]string{"-aec", "PACS", "127.0.0.1", port}, objects(t)...)...); err != nil {
				t.Fatalf("storescu past the guard: %v: %s", err, out)
			}
			site := fmt.Sprintf(dicomSite, 100, "127.0.0.1:"+port)
			r := begin(t, site)
			before, after, _ := strings.Cut(site, "grants:\n")
			_, after, _ = strings.Cut(after, "listeners:\n")
			began, queries, failed := time.Now(), 0, false
			rapid.Check(t, func(rt *rapid.T) {
				if time.Since(began) > samePatients && queries > 3 && !failed { // what failed is tried again, to make it small
					return
				}
				queries++
				defer func() { failed = failed || rt.Failed() }()
				q, grants := drawQuery(rt), drawGrants(rt)
				rules := r.site(before + "grants:\n" + grants + "listeners:\n" + after)
				rules.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
				if err := r.guard.Reload(t.Context(), rules); err != nil {
					rt.Fatal(err)
				}
				was := len(r.rows())
				said := ""
				for _, ask := range [][]string{{"findscu"}, {"getscu", "-od", got}, {"movescu", "-aem", "ROOM"}} {
					out, err := run(t, peer(t, ask[0]), r.viewer(slices.Concat(ask[1:], q.keys)...)...)
					said += fmt.Sprint(err, " ", out)
				}
				who := map[string][]ledger.PatientID{}
				for _, row := range r.rows()[was:] {
					if row.Unidentified > 0 {
						rt.Errorf("somebody is unidentified in %s", row.Action)
					}
					who[row.Action] = append(who[row.Action], row.People...)
				}
				set := func(action string) string {
					slices.SortFunc(who[action], func(a, b ledger.PatientID) int { return strings.Compare(a.String(), b.String()) })
					who[action] = slices.Compact(who[action])
					return fmt.Sprint(who[action])
				}
				find, get, move := set("C-FIND"), set("C-GET"), set("C-MOVE")
				byGet, byMove := fmt.Sprint(takeFiles(t, got)), fmt.Sprint(takeFiles(t, moved))
				whom, came := fmt.Sprint(q.about), fmt.Sprintf("of %s by C-GET, %s by C-MOVE", byGet, byMove)
				switch {
				case get != move:
					rt.Errorf("%v: got %s, moved %s: %s", q.keys, get, move, said)
				case q.odd && get == "[]" && (byGet != "[]" || byMove != "[]"):
					rt.Errorf("%v: objects %s, and nobody is on record: %s", q.keys, came, said)
				case q.odd && get != "[]" && slices.ContainsFunc(who["C-FIND"], func(p ledger.PatientID) bool { return !slices.Contains(who["C-GET"], p) }):
					rt.Errorf("%v: found %s, got %s: %s", q.keys, find, get, said)
				case !q.odd && (find != get || len(who["C-GET"]) != len(q.about)):
					rt.Errorf("%v: found %s, got %s, want %d patients: %s", q.keys, find, get, len(q.about), said)
				case !q.odd && (byGet != whom || byMove != whom):
					rt.Errorf("%v: objects %s, want %s: %s", q.keys, came, whom, said)
				}
			})
			t.Logf("%d queries", queries)
		})
	}
}
