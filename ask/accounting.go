package ask

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// Account is what a patient asks for: an accounting of disclosures, 45 CFR 164.528.
type Account struct {
	Patient ledger.Who
	Asked   time.Time // the moment of asking: the end of the period
	From    time.Time // its beginning; zero for the day six years before, 164.528(a)(1)

	// Outside reports whether a disclosure left the entity: only then it is one in the sense of the rule. A ledger does not
	// know; with nil everything is listed and the answer says so.
	Outside func(ledger.Row) bool

	// Purpose says what for, 164.528(b)(2)(iv). With nil, or for "", it is what the kind of message allows to say.
	Purpose func(ledger.Row) string
}

// Item is one entry of an accounting: a disclosure, or several to one recipient of one kind and for one purpose, as
// 164.528(b)(3) lets them be summarised.
type Item struct {
	First, Last time.Time
	Number      int
	Recipient   chaperone.Party // without its port
	What        string          // 164.528(b)(2)(iii): a brief description
	Purpose     string
}

// Accounted is an accounting of disclosures.
type Accounted struct {
	Account
	Items    []Item // in the order of their first dates
	Inside   int    // disclosures left out since they stayed inside
	Unplaced int    // disclosures listed of whose recipient no address is on record, where addresses say what is inside
	Scope    ledger.Scope
}

// sixYears gives the beginning of the day six years before; of 29 February, the day before 1 March.
func sixYears(asked time.Time) time.Time {
	from := time.Date(asked.Year()-6, asked.Month(), asked.Day(), 0, 0, 0, 0, asked.Location())
	if from.Day() != asked.Day() {
		from = from.AddDate(0, 0, -1)
	}
	return from
}

// Accounting collects the accounting of one patient. Errors are of the ledger: ErrUnknown for somebody it does not know.
func Accounting(ctx context.Context, s ledger.Store, a Account) (Accounted, error) {
	if a.From.IsZero() {
		a.From = sixYears(a.Asked)
	}
	out := Accounted{Account: a}
	q := ledger.Query{From: a.From, Until: a.Asked, Patient: &a.Patient}
	type kind struct {
		recipient     chaperone.Party
		what, purpose string
	}
	index := map[kind]int{}
	err := s.Disclosures(ctx, q, func(r ledger.Row) error {
		if a.Outside != nil && !a.Outside(r) {
			out.Inside++
			return nil
		}
		if a.Outside != nil && !r.To.Addr.IsValid() {
			out.Unplaced++
		}
		k := kind{r.To, What(r.Protocol, r.Action), ""}
		k.recipient.Port = 0
		if a.Purpose != nil {
			k.purpose = a.Purpose(r)
		}
		if k.purpose == "" {
			k.purpose = Purpose(r.Protocol, r.Action)
		}
		i, ok := index[k]
		if !ok {
			i = len(out.Items)
			index[k] = i
			out.Items = append(out.Items, Item{First: r.Time, Recipient: k.recipient, What: k.what, Purpose: k.purpose})
		}
		out.Items[i].Last = r.Time
		out.Items[i].Number++
		return nil
	})
	if err != nil {
		return Accounted{}, err
	}
	out.Scope, err = s.Scope(ctx, q)
	slices.SortStableFunc(out.Items, func(a, b Item) int {
		return cmp.Or(a.First.Compare(b.First), compareParty(a.Recipient, b.Recipient))
	})
	return out, err
}

// Write writes the accounting for the patient and for whoever completes it.
func (a *Accounted) Write(out io.Writer, style Style) error {
	p := report{Style: style, Writer: page.Writer{Out: out}}
	p.Line("ACCOUNTING OF DISCLOSURES (45 CFR 164.528)")
	p.Wrap("", "Of one patient, "+style.period(a.From, a.Asked)+". Dates are of the same zone.")
	if a.Patient.ID != (ledger.PatientID{}) {
		p.Line("Patient %s", a.Patient.ID)
	}
	p.Line("")
	if len(a.Items) == 0 {
		p.Line("No such disclosure is on record.")
	}
	digits := len(strconv.Itoa(len(a.Items)))
	for i, item := range a.Items {
		p.item(fmt.Sprintf("%*d. ", digits, i+1), item)
	}
	p.section("WHAT THIS LIST CANNOT KNOW", a.unknown())
	p.foot(ledger.Query{From: a.From, Until: a.Asked}, a.Scope)
	return p.Err
}

func (p *report) item(number string, item Item) {
	blank := page.Cell("", len(number))
	date := func(t time.Time) string { return t.In(p.zone()).Format(time.DateOnly) }
	p.Wrap(number+"Date:      ", date(item.First))
	p.Wrap(blank+"Recipient: ", p.whole(item.Recipient))
	p.Wrap(blank+"What:      ", item.What)
	p.Wrap(blank+"Purpose:   ", page.Clean(item.Purpose, 500))
	if item.Number > 1 {
		p.Wrap(blank+"Number:    ", fmt.Sprintf("%s for the same purpose, the last on %s", page.Count(item.Number, "disclosure"), date(item.Last)))
	}
}

// unknown says what whoever hands the list out has to add or to strike out.
func (a *Accounted) unknown() []string {
	var notes []string
	if a.Outside == nil {
		notes = append(notes, "Whether a recipient is outside: nobody said so, so everything on record is listed, also what stayed inside.")
	} else if a.Inside > 0 {
		notes = append(notes, fmt.Sprintf("%s left out, since the recipient is inside by the list that was given.", page.Count(a.Inside, "disclosure was", "disclosures were")))
	}
	if a.Unplaced > 0 {
		notes = append(notes, fmt.Sprintf("Whether the recipient is inside, of %s above: it has no address on record, as a destination to which an archive was told to send (C-MOVE), which is known by its title. "+
			"Strike out those whose title the site file gives to a system inside.", page.Count(a.Unplaced, "disclosure")))
	}
	return append(notes,
		"Which of them need no accounting, as those for treatment, payment and health care operations, or to the patient: 164.528(a)(1).",
		"A recipient's postal address, and a purpose that the messages do not tell.",
		"Records that name nobody, and records under numbers that are not on record as this patient's.",
		"Listed is every one in which bytes passed, also when the recipient answered with an error or the end was not seen.",
	)
}

// WriteJSON writes the accounting as JSON Lines: an item each, and the summary last.
func (a *Accounted) WriteJSON(out io.Writer, style Style) error {
	for _, i := range a.Items {
		if err := page.JSONLine(out, jsonItem{"accounting", i.First.UTC(), i.Last.UTC(), i.Number, style.json(i.Recipient), i.What, i.Purpose}); err != nil {
			return err
		}
	}
	return page.JSONLine(out, a.summary())
}

// jsonAccount is the last line: a Summary that counts the items' disclosures alone. How many people, records and bytes were in
// them beside this patient's is not this patient's business.
type jsonAccount struct {
	Kind        string       `json:"kind"`
	Disclosures int          `json:"disclosures"`
	Inside      int          `json:"disclosures_inside"`             // left out since they stayed inside
	Unplaced    int          `json:"disclosures_unplaced,omitempty"` // listed, though they may have: their recipient has no address on record
	From        *time.Time   `json:"from"`
	Until       *time.Time   `json:"until"`
	First       *time.Time   `json:"first"`
	Last        *time.Time   `json:"last"`
	Purged      []ledger.Day `json:"purged_days"`
	Coverage    Coverage     `json:"coverage"`
	ledger.Seal
}

func (a *Accounted) summary() jsonAccount {
	all := SummaryOf(ledger.Query{From: a.From, Until: a.Asked}, a.Scope)
	out := jsonAccount{Kind: all.Kind, Inside: a.Inside, Unplaced: a.Unplaced, From: all.From, Until: all.Until, Purged: all.Purged, Coverage: all.Coverage, Seal: all.Seal}
	var first, last time.Time
	for _, i := range a.Items {
		out.Disclosures += i.Number
		if first.IsZero() || i.First.Before(first) {
			first = i.First
		}
		if i.Last.After(last) {
			last = i.Last
		}
	}
	out.First, out.Last = known(first), known(last)
	return out
}

type jsonItem struct {
	Kind    string    `json:"kind"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Number  int       `json:"disclosures"`
	To      jsonParty `json:"to"`
	What    string    `json:"what"`
	Purpose string    `json:"purpose"`
}
