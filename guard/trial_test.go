package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/approval"
	"chaperone/policy"
	"chaperone/site"
)

// TestReplay: what a guard permitted, the same site file permits when it is replayed; a stricter one refuses its part.
func TestReplay(t *testing.T) {
	e := newEngine(t)
	a := beginApproved(t, withBudget(e, ""))
	c := a.call("hl7")
	for n := range 2 {
		if !c.sent(n) {
			t.Fatal("refused")
		}
	}
	one, _ := a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	for n := range 5 {
		if !c.sent(n + 10) {
			t.Fatal("refused")
		}
	}
	replay := func(file string) *Replay {
		trial, err := NewTrial(a.site(file), a.now())
		if err != nil {
			t.Fatal(err)
		}
		r := NewReplay(trial)
		for _, row := range a.rows() {
			r.Row(&row)
		}
		return r
	}
	if r := replay(a.file); len(r.Refused()) != 0 || r.Disclosures != 7 || r.Watched != 0 {
		t.Errorf("got %+v of %d, want none of 7", r.Refused(), r.Disclosures)
	}
	r := replay(strings.Replace(a.file, "24h: 2", "24h: 1", 1))
	want := Refusal{Party: "lab", Action: policy.Send, Reason: policy.Budget24h, Disclosures: 1, Patients: 1, Hint: spent}
	if got := r.Refused(); len(got) != 1 || got[0] != want || r.Patients() != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r = replay(strings.Replace(a.file, "[ORU^R01]", "[ADT^A01]", 1))
	if got := r.Refused(); len(got) != 1 || got[0].Disclosures != 7 || got[0].Reason != policy.Detail {
		t.Errorf("got %+v, want all 7", got)
	}
	rows := a.rows()
	if j, ok := JudgedBy(&rows[6].Evidence); !ok || j.Approval != one.ID || j.Listener != "hl7" || j.Version != a.site(a.file).Version {
		t.Errorf("got %+v", j)
	}
}

// TestSharedInClear: in the clear nobody is known by an address that several parties share. It is refused in those words, whatever it
// claims; a case that is written down comes to the same, and by a certificate to another.
func TestSharedInClear(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "parties:\n", "parties:\n  - name: other\n    applications: [OTHER@NORTH]\n    addresses: [127.0.0.1/32]\n", 1)
	r := begin(t, file)
	c := r.call("hl7")
	if got := c.rest(); got != "" {
		t.Errorf("got %q", got)
	}
	eventually(t, "it is refused", func() bool { return r.findings()["refused-identity-unknown"] > 0 })
	for _, f := range r.everyFinding("refused-identity-unknown") {
		if !strings.Contains(f.Advice, "Several parties of the site file share this address") {
			t.Errorf("got %q", f.Advice)
		}
	}
	s := r.site(file)
	warned := slices.ContainsFunc(s.Warnings, func(p site.Problem) bool {
		return strings.Contains(p.Text, "share this address: in the clear, as behind listener hl7")
	})
	if !warned {
		t.Errorf("got warnings %v", s.Warnings)
	}
	trial, err := NewTrial(s, r.guard.now())
	if err != nil {
		t.Fatal(err)
	}
	for mutual, want := range map[bool]policy.Reason{false: unknown, true: policy.Granted} {
		q := &Question{Request: policy.Request{Party: "lab", Action: policy.Send, Detail: "ORU^R01", To: "ehr", Patients: 1, MutualTLS: mutual, At: r.guard.now()}, Claim: "LAB@NORTH", Numbers: []uint32{1}}
		if got := trial.Decide(q); got.Reason != want || !mutual && !strings.Contains(got.Hint, "Several parties") {
			t.Errorf("mutual %v: got %s, %s; want %s", mutual, got.Reason, got.Hint, want)
		}
	}
}

// TestJudgedBy: what is written into evidence is read back, whatever a grant is called.
func TestJudgedBy(t *testing.T) {
	glass := &use{Approval: approval.Approval{ID: "3f9c0a5b2e48", Kind: approval.BreakGlass}}
	approved := &use{Approval: approval.Approval{ID: "3f9c0a5b2e48", Kind: approval.Approve}}
	for _, test := range []struct {
		use  *use
		name string
		want string
	}{
		{nil, "viewers look", ""}, {glass, "viewers look", "3f9c0a5b2e48"}, {approved, "viewers look", "3f9c0a5b2e48"},
		{approved, "/etc/own.cedar:3:1, approval x", "3f9c0a5b2e48"}, {nil, "break-glass of old", ""}, {nil, "none, observed", ""},
	} {
		file := evidence("hl7", &policy.Decision{Version: "0123456789ab", Grant: test.use.grant(test.name)})
		j, ok := JudgedBy(&chaperone.Evidence{File: file})
		if !ok || j.Approval != test.want || j.Listener != "hl7" || j.Version != "0123456789ab" {
			t.Errorf("%s: got %+v, want approval %q", fmt.Sprint(file), j, test.want)
		}
	}
	if _, ok := JudgedBy(&chaperone.Evidence{File: "/captures/guard 1.pcap"}); ok {
		t.Error("a capture was taken for a guard")
	}
}
