package clinicsim

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// TheftTruth is what a program that reads the folder should find, and what it must not say. Nothing of this program
// reads it but tests.
type TheftTruth struct {
	Seed          uint64                `json:"seed"`
	Days          int                   `json:"days"`
	Begin         time.Time             `json:"begin"`
	Stages        []string              `json:"stages"` // in order, empty without an intruder
	StageTimes    map[string]StageTimes `json:"stage_times"`
	Intruder      []string              `json:"intruder"`    // outside addresses
	Scanner       string                `json:"scanner"`     // of them: who scanned
	Guesser       string                `json:"guesser"`     // who guessed and entered
	Drop          string                `json:"drop"`        // where the loot went
	Receiver      string                `json:"receiver"`    // to whom the archive was made to send, inside or outside
	ReceiverAE    string                `json:"receiver_ae"` // the title that it was made to send to
	CallingAE     string                `json:"calling_ae"`  // the title that asked
	Entry         string                `json:"entry"`
	EntryName     string                `json:"entry_name"`
	EntryAccount  string                `json:"entry_account"`
	LaterAccount  string                `json:"later_account"` // that the intruder made
	Console       string                `json:"console"`       // the modality that was taken over
	Reader        string                `json:"reader"`        // who read the Access file
	Stager        string                `json:"stager"`        // from where the loot left
	LogCleared    bool                  `json:"log_cleared"`
	Compromised   []string              `json:"compromised"` // inside systems that the intruder acted from, in order
	Victims       []string              `json:"victims"`
	HonestHosts   []string              `json:"honest_hosts"` // all other systems that sent something
	Hosts         map[string]string     `json:"hosts"`        // address → role
	PatientsTaken int                   `json:"patients_taken"`
	RecordsTaken  int                   `json:"records_taken"`
	AccessFile    string                `json:"access_file"`
	AccessBytes   int                   `json:"access_bytes"`
	OutsideBytes  int64                 `json:"outside_bytes"` // that left to the intruder's addresses, without remote desktop
	Claimed       int64                 `json:"claimed"`
	ClaimedText   string                `json:"claimed_text"`
	Price         string                `json:"price"`
	PriceDollars  string                `json:"price_dollars"`
	Place         string                `json:"place"`
	Posted        string                `json:"posted"`
	DumpRows      int                   `json:"dump_rows"`    // without repetitions
	DumpPadding   int                   `json:"dump_padding"` // rows of people whom the clinic never knew
	Proven        int                   `json:"proven"`       // distinct patients taken whose exact number stands in the dump
	Unmatched     int                   `json:"unmatched"`    // rows without such a number
	Traffic       Truth                 `json:"traffic"`
}

// StageTimes are when a stage began and ended.
type StageTimes struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// JSON gives the truth as an indented JSON document.
func (t TheftTruth) JSON() []byte {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic(err) // numbers and strings
	}
	return append(b, '\n')
}

// truth sums up what was played.
func (w *week) truth(traffic Truth) TheftTruth {
	truth := TheftTruth{
		Seed: w.Seed, Days: w.Days, Begin: w.net.begin, Traffic: traffic,
		Stages: []string{}, StageTimes: map[string]StageTimes{}, Intruder: []string{}, Compromised: []string{}, Victims: []string{},
		Hosts: map[string]string{},
	}
	var guilty []netip.Addr
	if t := w.theft; t != nil {
		t.confess(&truth)
		guilty = t.intruder()
		for _, h := range append(t.compromised(), archive, files) {
			guilty = append(guilty, h.Addr)
		}
		for _, h := range t.visited {
			guilty = append(guilty, h.Addr)
		}
	}
	var honest []netip.Addr
	for a := range w.seen {
		truth.Hosts[a.String()] = role(a)
		if !slices.Contains(guilty, a) {
			honest = append(honest, a)
		}
	}
	truth.HonestHosts = sorted(honest)
	return truth
}

// confess fills in what the intruder did.
func (t *theft) confess(truth *TheftTruth) {
	truth.Stages = theftStages
	for stage, span := range t.times {
		truth.StageTimes[stage] = StageTimes{t.time(span[0]).Truncate(time.Second), t.time(span[1]).Truncate(time.Second)}
	}
	truth.Intruder = sorted(t.intruder())
	truth.Scanner, truth.Guesser, truth.Drop = t.from.Addr.String(), t.guesser.Addr.String(), t.drop.Addr.String()
	truth.Receiver, truth.ReceiverAE, truth.CallingAE = t.receiver.Addr.String(), t.called, t.calling
	truth.Entry, truth.EntryName = t.entry.Addr.String(), t.entry.Name
	truth.EntryAccount, truth.LaterAccount = t.account, t.later
	truth.Console, truth.Reader, truth.Stager = t.console.Addr.String(), t.reader.Addr.String(), t.stager.Addr.String()
	truth.LogCleared = t.clears
	for _, h := range t.compromised() {
		truth.Compromised = append(truth.Compromised, h.Addr.String())
	}
	victims := []netip.Addr{archive.Addr, files.Addr}
	for _, h := range t.visited {
		victims = append(victims, h.Addr)
	}
	truth.Victims = sorted(victims)
	truth.PatientsTaken, truth.RecordsTaken = len(t.taken), t.records
	truth.AccessFile, truth.AccessBytes = t.stored.path(), len(t.stored.bytes)
	for _, f := range t.outside {
		truth.OutsideBytes += f.sent[FromClient]
	}
	o := t.offer
	truth.Claimed, truth.ClaimedText, truth.Price, truth.PriceDollars = o.claimed, o.claimedText, o.price, o.dollars
	truth.Place, truth.Posted = o.place, o.posted
	truth.DumpRows, truth.DumpPadding, truth.Proven, truth.Unmatched = o.rows, o.padding, o.proven, o.unmatched
}
