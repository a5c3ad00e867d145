package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	cedar "github.com/cedar-policy/cedar-go"

	"chaperone/policy"
	"chaperone/policy/budget"
)

// windows is a site whose budgets remember: every patient in the windows of one of its parties, and of the site.
type windows struct {
	book     *budget.Book
	policy   *policy.Set
	parties  []string // viewers, who ask
	patients int
	random   *rand.Rand
	now      time.Time
	done     int
	took     time.Duration // to load
	memory   uint64
}

const manyParties = 1000

// newWindows loads so many patients, over 300 days.
func newWindows(patients int) (*windows, error) {
	w := &windows{patients: patients, random: rand.New(rand.NewPCG(1, 1)), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	o := policy.Options{Site: "bench", Grants: policy.Defaults()}
	roles := policy.Roles()
	for i := range manyParties {
		p := policy.Party{Name: fmt.Sprintf("party%d", i), Role: roles[i%len(roles)], Groups: []string{fmt.Sprintf("group%d", i%50)}}
		o.Parties = append(o.Parties, p)
		if p.Role == "viewer" {
			w.parties = append(w.parties, p.Name)
		}
	}
	for i := range manyParties / 2 {
		o.Grants = append(o.Grants, policy.Grant{
			Name: fmt.Sprintf("grant %d", i), Parties: []string{fmt.Sprintf("party%d", i*2)}, Actions: []policy.Action{policy.Actions()[i%9]}, To: []string{policy.Self},
		})
	}
	var err error
	if w.policy, err = policy.New(o); err != nil {
		return nil, err
	}
	before, began := heap(), time.Now()
	w.book = budget.New(w.now)
	first := w.now.Unix()/3600 - 300*24
	for n := range patients {
		hour := first + int64(n/(patients/300+1))*24
		one := []uint32{uint32(n + 1)}
		w.book.Load(budget.Key("party "+o.Parties[w.random.IntN(manyParties)].Name), hour, one, 0)
		w.book.Load("site bench", hour, one, 0)
	}
	w.book.Advance(w.now)
	w.took, w.memory = time.Since(began), heap()-before
	return w, nil
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// hourful is how many decisions are made in an hour of the book's: it goes on, so that patients move from one hour to another.
const hourful = 10_000

// decide asks the policy for one of the parties.
func (w *windows) decide(party string) error {
	d := w.policy.Decide(&policy.Request{Party: party, Site: "bench", Action: policy.Find, To: party, Patients: 1, At: w.now, MutualTLS: true, Listener: "dicom"})
	if !d.Permit {
		return fmt.Errorf("the policy refused: %s", d.Reason)
	}
	return nil
}

// charge charges a party, its group, its role and the site with a patient, of all that there are.
func (w *windows) charge(party string) error {
	if w.done++; w.done%hourful == 0 {
		w.now = w.now.Add(time.Hour)
		w.book.Advance(w.now)
	}
	most := budget.Limits{1 << 30, 1 << 30, 1 << 30, 1 << 30} // looked at, and never reached
	keys := [...]budget.Keyed{{Key: budget.Key("party " + party), Limits: most}, {Key: "group g", Limits: most}, {Key: "role viewer", Limits: most}, {Key: "site bench", Limits: most}}
	patient := [...]uint32{1 + w.random.Uint32N(uint32(w.patients))}
	if over := w.book.Charge(w.now, keys[:], patient[:], 0); over != nil {
		return errors.New("a budget refused")
	}
	return nil
}

// decisions prints what one decision takes, and one generic Cedar policy alone beside it.
func decisions(ctx context.Context, o options, stdout io.Writer) error {
	patients := 10_000_000
	if o.Smoke {
		patients = 100_000
	}
	w, err := newWindows(patients)
	if err != nil {
		return err
	}
	alone, err := cedarAlone()
	if err != nil {
		return err
	}
	party := func() string { return w.parties[w.random.IntN(len(w.parties))] }
	fmt.Fprintf(stdout, "%-64s %10s %10s\n", "one decision, one goroutine", "median", "mean")
	for _, row := range []struct {
		name string
		do   func() error
	}{
		{"one generic Cedar policy alone, a context made for each", alone},
		{fmt.Sprintf("the policy: %d parties, %d grants", manyParties, manyParties/2+len(policy.Defaults())), func() error { return w.decide(party()) }},
		{fmt.Sprintf("the budgets: one of %d patients, four windows of four keys", patients), func() error { return w.charge(party()) }},
		{"both", func() error {
			p := party()
			return errors.Join(w.decide(p), w.charge(p))
		}},
	} {
		median, mean, err := each(ctx, o.For/2, row.do)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Fprintf(stdout, "%-64s %7.2f µs %7.2f µs\n", row.name, median, mean)
	}
	fmt.Fprintf(stdout, "%-64s %7d MB, loaded in %s\n", fmt.Sprintf("memory of the windows: %d patients, of %d parties and the site", patients, manyParties), w.memory>>20, w.took.Round(time.Millisecond))
	runtime.KeepAlive(w)
	return nil
}

// each does something again and again for a time, and gives the microseconds of one: the median over thousands, and the mean.
func each(ctx context.Context, long time.Duration, do func() error) (median, mean float64, err error) {
	const batch = 1000
	var times []time.Duration
	var sum time.Duration
	for sum < long && ctx.Err() == nil {
		began := time.Now()
		for range batch {
			if err := do(); err != nil {
				return 0, 0, err
			}
		}
		took := time.Since(began)
		times, sum = append(times, took), sum+took
	}
	slices.Sort(times)
	micro := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / batch }
	return micro(times[len(times)/2]), micro(sum / time.Duration(len(times))), ctx.Err()
}

// cedarAlone is what everybody who decides by Cedar does at least.
func cedarAlone() (func() error, error) {
	one, err := cedar.NewPolicySetFromBytes("", []byte(`permit (principal, action, resource) when { context has grant };`))
	if err != nil {
		return nil, err
	}
	entities := cedar.EntityMap{}
	for i := range manyParties {
		id := cedar.NewEntityUID("Party", cedar.String(fmt.Sprintf("party%d", i)))
		entities[id] = cedar.Entity{UID: id, Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID("Group", cedar.String(fmt.Sprintf("group%d", i%50))))}
	}
	who := cedar.NewEntityUID("Party", "party2")
	return func() error {
		ask := cedar.Request{Principal: who, Action: cedar.NewEntityUID("Action", "dicom.find"), Resource: who,
			Context: cedar.NewRecord(cedar.RecordMap{"grant": cedar.True, "request": cedar.Long(1)})}
		if answer, _ := cedar.Authorize(one, entities, ask); answer != cedar.Allow {
			return errors.New("the one policy refused")
		}
		return nil
	}, nil
}
