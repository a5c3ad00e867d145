package site

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone/ledger"
)

// TestWrite: whatever is written is read as the same site, with comments and without.
func TestWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSite(t)
		var out bytes.Buffer
		if err := want.Write(&out); err != nil {
			t.Fatal(err)
		}
		got, problems := Parse(out.Bytes())
		if got == nil {
			t.Fatalf("%s\n%s", (&Error{"written", problems}).Error(), out.String())
		}
		if x, y := bare(got), bare(want); !reflect.DeepEqual(x, y) {
			t.Fatalf("got  %+v\nwant %+v\n%s", x, y, out.String())
		}
	})
}

// TestComments: each stands above what it is about, and cannot be anything but a comment.
func TestComments(t *testing.T) {
	s := parse(t, "site: a\ninside: [10.0.0.0/8]\nparties:\n  - name: ct1\n    budget: {1h: 5}\nbudgets: {site: {1h: 7}}")
	s.Comments = map[string]string{"": "above\n\nall", "parties": "everybody", "parties.ct1": "seen: 1,204 messages\nsite: evil\r\x1b[2J", "parties.ct1.budget": "twice", "budgets.site": "all"}
	var out bytes.Buffer
	if err := s.Write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `# above
#
# all

# The name of the site; it is in every certificate.
site: a

# The networks that are the site's own.
inside: [10.0.0.0/8]

# Who exchanges patient data.
# everybody
parties:
  # seen: 1,204 messages
  # site: evil??[2J
  - name: ct1
    # twice
    budget: {1h: 5}

# How many different patients at most, beside the budgets of parties and grants.
budgets:
  # all
  site: {1h: 7}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// drawSite makes a site that a good file can say.
func drawSite(t *rapid.T) *Site {
	s := &Site{Name: drawName(t), Inside: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Log: rapid.SampledFrom([]Log{LogText, LogJSON}).Draw(t, "log"),
		Retain: rapid.SampledFrom([]ledger.Retention{ledger.UsualRetention, ledger.LeastRetention}).Draw(t, "retain"), Policies: map[string][]byte{}}
	s.Zone = rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin"}).Draw(t, "zone")
	s.IgnoreCase = rapid.Bool().Draw(t, "case")
	s.Identity = Identity{"/a: #b", []string{"/r"}, []string{"c, d"}, "/'c\"", "k"}
	s.Cedar = slices.Compact(rapid.SliceOfN(rapid.SampledFrom([]string{"/x", "{y}"}), 0, 1).Draw(t, "cedar"))
	if len(s.Cedar) == 0 {
		s.Cedar = nil
	}
	s.Comments = map[string]string{"": rapid.String().Draw(t, "head")}
	texts := rapid.SliceOfNDistinct(rapid.StringMatching(`[!-?A-\[\]-~]([ -?A-\[\]-~]{0,14}[!-?A-\[\]-~])?`), 8, 8, strings.ToUpper).Draw(t, "titles")
	for i := range rapid.IntRange(0, 4).Draw(t, "parties") {
		p := Party{Name: fmt.Sprintf("p%d", i), Role: rapid.SampledFrom(append(roles(), "")).Draw(t, "role"),
			Titles: texts[2*i : 2*i+1], Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
			Outside: rapid.Bool().Draw(t, "outside"), Approval: rapid.Bool().Draw(t, "approval"), Budget: drawLimits(t), Groups: []string{"g"},
			Refuse: Refusals{rapid.SampledFrom([]Status{NotAuthorized, OutOfResources, UnableToProcess}).Draw(t, "store"), NotAuthorized, NoSubOperations, UnableToProcess}}
		if name := texts[2*i+1]; !strings.ContainsAny(name, `|^~\&`) {
			p.Applications = []string{name, name + "@NORTH"}
		}
		for range rapid.IntRange(0, 2).Draw(t, "hours") {
			if x := drawSpan(t); !slices.Contains(p.Hours, x) {
				p.Hours = append(p.Hours, x)
			}
		}
		if rapid.Bool().Draw(t, "subject") {
			p.Subject = fmt.Sprintf("CN=%d", i) + rapid.StringMatching(`[ -~äöü]{0,40}[!-~]`).Draw(t, "subject")
		}
		s.Comments["parties."+p.Name] = rapid.String().Draw(t, "comment")
		s.Comments["parties."+p.Name+".budget"] = rapid.String().Draw(t, "comment")
		s.Parties = append(s.Parties, p)
	}
	if len(s.Parties) == 0 {
		return s
	}
	anybody := func() string { return rapid.SampledFrom(s.Parties).Draw(t, "party").Name }
	for i := range rapid.IntRange(0, 3).Draw(t, "grants") {
		to := rapid.SampledFrom(s.Parties).Draw(t, "to")
		g := Grant{Name: fmt.Sprintf("%d grant", i), Parties: []string{anybody()}, Roles: []string{"pacs"}, Groups: []string{"g"}, To: []string{"self", "role:pacs", "group:g", to.Name},
			Outside: to.Outside, Whose: rapid.SampledFrom([]string{All, Named, Ward}).Draw(t, "whose"), Budget: drawLimits(t), Details: []string{"ADT^*", "1.2.840"}}
		g.Actions = expand(rapid.SliceOfNDistinct(rapid.SampledFrom(append(actions(), anyDICOM)), 1, 5, rapid.ID[Action]).Draw(t, "actions"))
		s.Grants = append(s.Grants, g)
	}
	s.Budgets.Site = drawLimits(t)
	if l := drawLimits(t); l != (Limits{}) {
		s.Budgets.Groups, s.Budgets.Roles = map[string]Limits{"g": l}, map[Role]Limits{PACS: l, Viewer: l}
		s.Comments["budgets.groups.g"] = rapid.String().Draw(t, "comment")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "listeners") {
		l := Listener{Name: fmt.Sprintf("l%d", i), Protocol: rapid.SampledFrom([]Protocol{HL7, DICOM, TCP}).Draw(t, "protocol"),
			Listen: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i+1)), TLS: Mutual, Mode: rapid.SampledFrom([]Mode{Enforce, Observe}).Draw(t, "mode"),
			Upstream: Upstream{Address: "[::1]:104", TLS: Mutual, Party: anybody()}, Limits: drawBounds(t)}
		if rapid.Bool().Draw(t, "clear") {
			l.TLS, l.Because = Clear, "x"+rapid.StringMatching(`[ -~äöü]{0,200}[!-~]`).Draw(t, "because")
			l.Upstream.TLS, l.Upstream.Because = l.TLS, l.Because
		}
		if l.Protocol == HL7 {
			l.Refuse = rapid.SampledFrom([]Refuse{Reject, Fail, Hold}).Draw(t, "refuse")
		}
		if l.Protocol != TCP {
			outside := slices.ContainsFunc(s.Parties, func(p Party) bool { return p.Name == l.Upstream.Party && p.Outside })
			if !outside && rapid.Bool().Draw(t, "spool") {
				l.Spool = Spool{Bytes: 2 << 30, Messages: rapid.IntRange(1, 2_000_000).Draw(t, "kept"), Age: time.Hour}
			}
		}
		if l.Protocol == DICOM {
			p := rapid.SampledFrom(s.Parties).Draw(t, "destination")
			l.Destinations = map[string]string{p.Titles[0]: p.Name, "ANOTHER TITLE XX": anybody()}
		}
		s.Listeners = append(s.Listeners, l)
	}
	if rapid.Bool().Draw(t, "metrics") {
		s.Metrics = netip.MustParseAddrPort("[::1]:9090")
	}
	for _, k := range slices.Collect(maps.Keys(s.Comments)) {
		if s.Comments[k] == "" {
			delete(s.Comments, k)
		}
	}
	return s
}

func drawName(t *rapid.T) string {
	return rapid.StringMatching(`[a-z0-9]([a-z0-9._-]{0,28}[a-z])?[a-z]`).Draw(t, "name")
}

func drawLimits(t *rapid.T) (l Limits) {
	n := 1
	for w := range l {
		n += rapid.IntRange(0, 1000).Draw(t, "more")
		if rapid.Bool().Draw(t, "limited") {
			l[w] = n
		}
	}
	return l
}

func drawBounds(t *rapid.T) Bounds {
	seconds := func(most int) time.Duration {
		return time.Duration(rapid.IntRange(1, most).Draw(t, "seconds")) * time.Second
	}
	b := Bounds{Connections: rapid.IntRange(1, 100_000).Draw(t, "connections"), Message: rapid.Int64Range(1<<10, 1<<30).Draw(t, "message"),
		Idle: seconds(30 * 24 * 3600), FirstByte: seconds(3600), InMessage: seconds(3600), Handshake: seconds(3600), Pending: rapid.IntRange(1, 10_000).Draw(t, "pending"),
		Bytes: rapid.Int64Range(1<<10, 1<<40).Draw(t, "bytes"), Session: 60 * seconds(7*24*60)}
	b.PerAddress = rapid.IntRange(1, b.Connections).Draw(t, "per address")
	return b
}
