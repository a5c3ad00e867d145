package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"chaperone/guard"
	"chaperone/page"
	"chaperone/policy"
	"chaperone/site"
)

// policyCase is one case of a file: what somebody asks for, and what is to come of it.
type policyCase struct {
	Name         string   `yaml:"name"`
	Party        string   `yaml:"party"`
	Action       string   `yaml:"action"`
	Detail       string   `yaml:"detail"`
	To           string   `yaml:"to"`
	Outside      bool     `yaml:"outside"`
	Patients     int      `yaml:"patients"`
	Unidentified int      `yaml:"unidentified"`
	Everybody    bool     `yaml:"everybody"`
	Unresolved   bool     `yaml:"unresolved"`
	Wards        []string `yaml:"wards"`
	Later        bool     `yaml:"later"`
	At           string   `yaml:"at"`
	Listener     string   `yaml:"listener"`
	Claim        string   `yaml:"claim"`
	Approved     bool     `yaml:"approved"`
	BreakGlass   bool     `yaml:"break-glass"`
	Unproven     bool     `yaml:"unproven"` // it has no certificate
	Permit       *bool    `yaml:"permit"`
	Reason       string   `yaml:"reason"`
}

func newPolicyTest() *cobra.Command {
	var f policyFlags
	c := &cobra.Command{
		Use:   "test CASES.yaml",
		Short: "Decide written cases, and say which do not come out as they should",
		Long: `Decide each case of a file by a site file, and compare: with permit, with the reason, or both. Each case stands for itself; its budgets
are empty. A case has the keys

  name        what it is about; has to be there
  party       who asks; action: what for; detail: ORU^R01, or the UID of an SOP class
  to          to whom the data goes: a party, or self; outside: true, an address outside
  patients    how many different ones; unidentified: records without any identity
  everybody   true: a query that names nobody; unresolved: true, not all patients are known
  wards       a list: where the patients lie; later: true, a query, whose answer says it
  at          when: 2026-03-02T12:00 by the clocks of the site, a Monday (which is the default)
  listener    where; claim: what it calls itself; unproven: true, it has no certificate
  approved, break-glass    true: by approval, behind broken glass
  permit      true or false; reason: the code, such as granted or budget-24h

Exit status: 0 all hold; 1 one does not; 2 could not do it.`,
		Example: `  chaperone policy test cases.yaml --site site.yaml

  # cases.yaml
  cases:
    - {name: a viewer looks, party: viewer1, action: dicom.find, to: self, patients: 1, permit: true}
    - {name: not everybody, party: viewer1, action: dicom.find, to: self, everybody: true, reason: everybody}`,
		Args: onePath("which cases? For example: chaperone policy test cases.yaml --site site.yaml"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error { return f.cases(c, args[0]) },
	}
	f.add(c)
	c.Flags().BoolVar(&f.json, "json", false, "write JSON Lines: case, and summary last")
	return c
}

// readCases reads a file of cases.
func readCases(path string) ([]policyCase, error) {
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Cases []policyCase `yaml:"cases"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		text := strings.NewReplacer("unmarshal errors:\n  ", "", "\n  ", "; ", "field ", "key ", " not found in type main.policyCase", " is unknown").Replace(err.Error())
		return nil, fmt.Errorf("%s: %s", path, page.Clean(text, 300))
	}
	if len(file.Cases) == 0 {
		return nil, fmt.Errorf("%s: there is no case in it; it begins with  cases:  (--help shows one)", path)
	}
	for i, one := range file.Cases {
		switch {
		case one.Name == "" || one.Party == "" || one.Action == "":
			return nil, fmt.Errorf("%s: case %d needs a name, a party and an action", path, i+1)
		case one.Permit == nil && one.Reason == "":
			return nil, fmt.Errorf("%s: case %d (%s) does not say what is to come of it: permit, or reason", path, i+1, page.Clean(one.Name, 60))
		case one.Patients < 0 || one.Patients > 100_000 || one.Unidentified < 0:
			return nil, fmt.Errorf("%s: case %d (%s): from 0 to 100000 patients", path, i+1, page.Clean(one.Name, 60))
		}
	}
	return file.Cases, nil
}

// question is what a case asks.
func (k *policyCase) question(clocks *time.Location) (*guard.Question, error) {
	var wards []string
	for _, ward := range k.Wards {
		wards = append(wards, site.WardName(ward))
	}
	q := &guard.Question{Request: policy.Request{
		Party: k.Party, Action: policy.Action(k.Action), Detail: k.Detail, To: k.To, ToOutside: k.Outside, Patients: k.Patients, Unidentified: k.Unidentified,
		Everybody: k.Everybody, Unresolved: k.Unresolved, Wards: wards, Later: k.Later, Listener: k.Listener, Approved: k.Approved, BreakGlass: k.BreakGlass,
		MutualTLS: !k.Unproven, At: time.Date(2026, 3, 2, 12, 0, 0, 0, clocks),
	}, Claim: k.Claim}
	if k.To == policy.Self {
		q.To = k.Party
	}
	if k.At != "" {
		at, err := time.ParseInLocation("2006-01-02T15:04", k.At, clocks)
		if err != nil {
			return nil, errors.New("at: not a time; for example 2026-03-02T12:00")
		}
		q.At = at
	}
	for i := range k.Patients {
		q.Numbers = append(q.Numbers, uint32(i+1))
	}
	return q, nil
}

func (f *policyFlags) cases(c *cobra.Command, path string) error {
	list, err := readCases(path)
	if err != nil {
		return err
	}
	s, err := f.load(c)
	if err != nil {
		return err
	}
	width, failed := len("CASE"), 0
	for i := range list {
		width = max(width, min(len([]rune(list[i].Name)), 40))
	}
	p := page.Writer{Out: c.OutOrStdout()}
	if !f.json {
		p.Line("      %s  DECISION  REASON                GRANT", page.Cell("CASE", width))
	}
	for i := range list {
		k := &list[i]
		q, err := k.question(zone(s))
		if err != nil {
			return fmt.Errorf("%s: case %d (%s): %w", path, i+1, page.Clean(k.Name, 60), err)
		}
		t, err := guard.NewTrial(s, q.At) // each with empty budgets
		if err != nil {
			return err
		}
		a := t.Decide(q)
		holds := (k.Permit == nil || *k.Permit == a.Permit) && (k.Reason == "" || k.Reason == string(a.Reason))
		if !holds {
			failed++
		}
		if f.json {
			p.Err = errors.Join(p.Err, page.JSONLine(p.Out, struct {
				Kind   string        `json:"kind"`
				Name   string        `json:"name"`
				Holds  bool          `json:"holds"`
				Permit bool          `json:"permit"`
				Reason policy.Reason `json:"reason"`
				Grant  string        `json:"grant"`
				Budget string        `json:"budget,omitempty"`
				Hint   string        `json:"hint,omitempty"`
			}{"case", k.Name, holds, a.Permit, a.Reason, a.Grant, a.Decision.Budget, a.Hint}))
			continue
		}
		told(&p, k, &a, holds, width)
	}
	if f.json {
		p.Err = errors.Join(p.Err, page.JSONLine(p.Out, struct {
			Kind   string `json:"kind"`
			Cases  int    `json:"cases"`
			Failed int    `json:"failed"`
			Policy string `json:"policy"`
		}{"summary", len(list), failed, s.Version}))
	} else {
		p.Line("")
		p.Line("%d of %s by policy %s.", len(list)-failed, page.Count(len(list), "case holds", "cases hold"), s.Version)
	}
	if p.Err == nil && failed > 0 {
		return notHeld{fmt.Sprintf("policy test: %s not", page.Count(failed, "case does", "cases do"))}
	}
	return p.Err
}

// told writes one case.
func told(p *page.Writer, k *policyCase, a *guard.Answer, holds bool, width int) {
	mark, decision := "ok  ", "refused"
	if !holds {
		mark = "FAIL"
	}
	if a.Permit {
		decision = "permit"
	}
	p.Line("%s", page.Clean(fmt.Sprintf("%s  %s  %s  %s  %s", mark, page.Cell(page.Clean(k.Name, width), width), page.Cell(decision, 8), page.Cell(string(a.Reason), 20), a.Grant), page.Width))
	if holds {
		return
	}
	want := ""
	if k.Permit != nil {
		want = map[bool]string{true: "permit", false: "refused"}[*k.Permit]
	}
	if k.Reason != "" {
		want += " " + k.Reason
	}
	p.Wrap("      ", "wanted: "+page.Clean(want, 60)+". "+guard.ExplainReason(a.Reason)+" "+sentence(a.Hint))
}

// sentence begins a hint with a capital and ends it with a full stop.
func sentence(hint string) string {
	if hint == "" {
		return ""
	}
	r := []rune(page.Printable(hint))
	if r[0] >= 'a' && r[0] <= 'z' {
		r[0] += 'A' - 'a'
	}
	if last := r[len(r)-1]; last != '.' && last != '?' {
		r = append(r, '.')
	}
	return string(r)
}
