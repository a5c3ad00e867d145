package investigate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
)

// card is one stage of the story; a gap has only its name and what could have shown it.
type card struct {
	N              int
	Stage          incident.Stage
	Name           string // what the stage is, in everyday words
	Found          bool
	When, Begin    string // Begin is for machines
	By, At         []known
	MoreBy, MoreAt int
	Account        string
	Says, Because  string
	Belief         incident.Belief
	Rests          string // what the grade of belief means
	Proofs         []proof
	MoreProofs     int
	Techniques     []string
}

// known is a system: its address, and its name if it has one.
type known struct{ Name, Addr string }

// proof points at a place in the evidence.
type proof struct{ Says, Place string }

// claimed is what an offer says, against what is proven.
type claimed struct {
	Head    string
	Figures []figure // claimed, proven, unmatched
	Note    string
}

// everyday names the stages for people who read of such things for the first time.
var everyday = map[incident.Stage]string{
	incident.Scanned:   "Looked for a way in",
	incident.Guessed:   "Guessed passwords",
	incident.Entered:   "Came in",
	incident.Escalated: "Gained more rights",
	incident.Persisted: "Made sure of coming back",
	incident.Moved:     "Moved on inside",
	incident.Collected: "Collected the records",
	incident.Left:      "Carried them out",
	incident.Offered:   "Offered them for sale",
}

// rests says what each grade of belief rests on.
var rests = map[incident.Belief]string{
	incident.Observed: "the bytes are in a capture",
	incident.Logged:   "a system wrote it into its log",
	incident.Inferred: "it follows from the evidence; nobody wrote it down",
}

// Bounds of a card; the tables below have more.
const (
	maxActors     = 6
	maxCardProofs = 5
)

// stages fills the story.
func (t *text) stages(s *sheet) {
	if !s.Theft {
		return
	}
	for i, step := range t.Story.Steps {
		s.Stages = append(s.Stages, t.card(i+1, step))
	}
	s.Axes = []*axis{newAxis(t.Story.Steps, t.zone, wideAxis), newAxis(t.Story.Steps, t.zone, narrowAxis)}
}

func (t *text) card(n int, s incident.Step) card {
	c := card{N: n, Stage: s.Stage, Name: cmp.Or(everyday[s.Stage], string(s.Stage)), Found: s.Found, Because: safe(s.Because, 400)}
	if !s.Found {
		return c
	}
	c.When = t.between(s.First, s.Last)
	if !s.First.IsZero() {
		c.Begin = s.First.UTC().Format(time.RFC3339)
	}
	c.By, c.MoreBy = t.some(s.By)
	c.At, c.MoreAt = t.some(s.At)
	c.Account, c.Says = safe(s.Account, 80), safe(s.Says, 500)
	c.Belief, c.Rests = s.Belief, rests[s.Belief]
	proofs := t.proofs(s)
	c.Proofs = proofs[:min(len(proofs), maxCardProofs)]
	for i := range c.Proofs {
		if c.Proofs[i].Says == c.Says { // nobody needs to read a sentence twice
			c.Proofs[i].Says = ""
		}
	}
	c.MoreProofs = len(proofs) - len(c.Proofs)
	for _, f := range s.Findings {
		if f.Technique != "" && !slices.Contains(c.Techniques, f.Technique) {
			c.Techniques = append(c.Techniques, f.Technique)
		}
	}
	return c
}

// some names the first systems of a list, and says how many it leaves out.
func (t *text) some(list []netip.Addr) (out []known, more int) {
	for _, a := range list[:min(len(list), maxActors)] {
		out = append(out, t.known(a))
	}
	return out, len(list) - len(out)
}

func (t *text) known(a netip.Addr) known {
	if !a.IsValid() {
		return known{Name: "a system that was not seen"}
	}
	if c := inventory.Computer(a); c != "" {
		return known{Name: safe(c, 60)}
	}
	if name := t.Site().Name(a); name != "" {
		return known{safe(name, 60), a.String()}
	}
	return known{Addr: a.String()}
}

// proofs lists where the evidence of a stage is. What was taken and what was offered have evidence of their own.
func (t *text) proofs(s incident.Step) []proof {
	var list []proof
	for _, f := range s.Findings {
		list = append(list, proof{safe(f.Title, 300), t.shownAt(f.Evidence)})
	}
	switch s.Stage {
	case incident.Collected:
		for _, f := range t.Story.Taken.Files {
			if !slices.ContainsFunc(list, func(p proof) bool { return p.Place == t.shownAt(f.Evidence) }) {
				list = append(list, proof{safe("The file "+f.Name+" was read.", 300), t.shownAt(f.Evidence)})
			}
		}
	case incident.Offered:
		for _, c := range t.Story.Claims {
			if c.Evidence.File != "" {
				list = append(list, proof{"The offer.", t.shownAt(c.Evidence)})
			}
			if c.Dump != "" {
				list = append(list, proof{"What is shown as its sample.", t.shownAt(chaperone.Evidence{File: c.Dump})})
			}
		}
	}
	return list
}

// shownAt points at evidence.
func (t *text) shownAt(e chaperone.Evidence) string {
	file := safe(t.within(e.File), 80)
	switch {
	case e.File == "":
		return ""
	case e.Record > 0:
		return fmt.Sprintf("%s, record %d", file, e.Record)
	case e.Packet > 0:
		return fmt.Sprintf("%s, packet %d", file, e.Packet)
	}
	return file
}

// claimed sets the numbers of a claim side by side.
func (t *text) claimed(c incident.Claim) claimed {
	out := claimed{Head: "A table of people without an offer"}
	if c.Evidence.File != "" {
		out.Head = "The offer"
		if c.Place != "" {
			out.Head += " at " + safe(c.Place, 80)
		}
		if c.Price != "" {
			out.Head += " for " + safe(c.Price, 80)
		}
		if !c.Posted.IsZero() {
			out.Head += ", " + t.day(c.Posted)
		}
	}
	number := figure{"none", "claimed", "the offer names no number"}
	if c.Claimed > 0 {
		number.Number, number.Note = page.Number(int(c.Claimed)), "records or patients, as the seller says"
	}
	if c.Evidence.File == "" {
		number.Note = "nobody offers it in this evidence"
	}
	if c.Dump == "" {
		out.Figures = []figure{number, {"?", "proven", "there is no sample to compare"}, {"?", "unmatched", "there is no sample to compare"}}
		return out
	}
	out.Figures = []figure{number,
		{page.Number(c.Proven), "proven", "patients of the sample whose exact number is in this evidence"},
		{page.Number(c.Unmatched), "unmatched", "rows of the sample without a match"}}
	out.Note = strings.TrimSpace(fmt.Sprintf("The sample, %s, has %s. Of the patients proven, %s are among those shown as taken above.",
		t.shownAt(chaperone.Evidence{File: c.Dump}), page.Count(c.Rows, "row"), page.Share(c.Taken, c.Proven)))
	return out
}
