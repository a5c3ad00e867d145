package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/identity"
	"chaperone/page"
)

func newEnrollList(f *enrollFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List who has which certificate, and what ends soon",
		Long: `List all certificates that are good, what of them ends within 7 days, what is revoked, and for parties that have no other what has
run out. The authority's key is not needed.`,
		Example: `  chaperone enroll list
  chaperone enroll list --json | jq -r 'select(.state == "soon").party'`,
		Args: noArguments("; it lists all parties"),
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := f.open()
			if err != nil {
				return err
			}
			issued, err := a.Issued()
			if err != nil {
				return err
			}
			if asJSON {
				return enrolledJSON(c.OutOrStdout(), a, issued, time.Now())
			}
			return enrolledText(c.OutOrStdout(), a, issued, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines: certificate, all there ever were, and summary last")
	return c
}

// States of a certificate.
const (
	stateGood    = "good"
	stateSoon    = "soon" // good, and ends within identity.Soon
	stateExpired = "expired"
	stateRevoked = "revoked"
)

func stateOf(is *identity.Issued, now time.Time) string {
	switch {
	case !is.Revoked.IsZero():
		return stateRevoked
	case !is.Good(now):
		return stateExpired
	case is.NotAfter.Sub(now) < identity.Soon:
		return stateSoon
	}
	return stateGood
}

func enrolledText(out io.Writer, a *identity.Authority, issued []identity.Issued, now time.Time) error {
	p := page.Writer{Out: out}
	p.Line("%s, in %s, until %s", a.Site, a.Dir, a.NotAfter.In(time.Local).Format(time.DateOnly))
	newest, width, soon, old := identity.Newest(issued), len("PARTY"), 0, 0
	for _, is := range issued {
		width = max(width, len(is.Party))
	}
	if len(issued) > 0 {
		p.Line("")
		p.Line("%s  UNTIL       SERIAL NUMBER                     ", page.Cell("PARTY", width))
	}
	for i := range issued {
		is := &issued[i]
		state, note := stateOf(is, now), ""
		switch {
		case state == stateExpired && newest[is.Party] != is, state == stateRevoked && now.After(is.NotAfter):
			old++
			continue
		case state == stateRevoked:
			note = "REVOKED " + is.Revoked.In(time.Local).Format(time.DateOnly) + " " + is.Reason
		case state == stateExpired:
			note = "EXPIRED"
		case newest[is.Party] != is:
			note = "there is a newer one"
		case state == stateSoon:
			note = "ENDS SOON"
			soon++
		}
		if is.Server {
			note += " server"
		}
		if len(is.Addresses) > 0 {
			note += " at " + joined(is.Addresses)
		}
		p.Line("%s  %s  %s  %s", page.Cell(is.Party, width), is.NotAfter.In(time.Local).Format(time.DateOnly), is.Serial, strings.TrimSpace(note))
	}
	p.Line("")
	if len(issued) == 0 {
		p.Line("Nobody is enrolled yet: chaperone enroll PARTY")
	}
	if soon > 0 {
		p.Line("%s within 7 days: chaperone enroll renew", page.Count(soon, "certificate ends", "certificates end"))
	}
	if old > 0 {
		p.Line("%s that ran out long since or were replaced (--json lists them)", page.Count(old, "certificate"))
	}
	return p.Err
}

func enrolledJSON(out io.Writer, a *identity.Authority, issued []identity.Issued, now time.Time) error {
	type certificate struct {
		Kind      string     `json:"kind"`
		Party     string     `json:"party"`
		Serial    string     `json:"serial"`
		State     string     `json:"state"`
		Newest    bool       `json:"newest"`
		Made      time.Time  `json:"made"`
		Until     time.Time  `json:"until"`
		Server    bool       `json:"server"`
		DNS       []string   `json:"dns"`
		Addresses []string   `json:"addresses"`
		Key       string     `json:"key_sha256"`
		Revoked   *time.Time `json:"revoked"`
		Reason    string     `json:"reason,omitempty"`
	}
	var err error
	newest, count := identity.Newest(issued), map[string]int{}
	for i := range issued {
		is := &issued[i]
		state, addresses := stateOf(is, now), []string{}
		count[state]++
		for _, address := range is.Addresses {
			addresses = append(addresses, address.String())
		}
		err = errors.Join(err, page.JSONLine(out, certificate{
			"certificate", is.Party, is.Serial, state, newest[is.Party] == is, is.Made.UTC(), is.NotAfter.UTC(),
			is.Server, some(is.DNS), addresses, fmt.Sprintf("%x", is.Key), utc(is.Revoked), is.Reason,
		}))
	}
	return errors.Join(err, page.JSONLine(out, struct {
		Kind    string    `json:"kind"`
		Site    string    `json:"site"`
		Until   time.Time `json:"authority_until"`
		Parties int       `json:"parties"` // that have a certificate which was not revoked
		Good    int       `json:"good"`
		Soon    int       `json:"soon"`
		Expired int       `json:"expired"`
		Revoked int       `json:"revoked"`
	}{"summary", a.Site, a.NotAfter.UTC(), len(newest), count[stateGood], count[stateSoon], count[stateExpired], count[stateRevoked]}))
}
