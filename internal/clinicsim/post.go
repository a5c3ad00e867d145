package clinicsim

import (
	"fmt"
	"math/rand/v2"
)

// offer is what the seller says, and what the dump really has.
type offer struct {
	claimed           int64
	claimedText       string
	price, dollars    string
	place, posted     string
	share             int // of a hundred people taken, how many are shown
	rows, padding     int
	proven, unmatched int
}

// sell writes the dump and the post that offers it.
func (t *theft) sell() (dump, post []byte) {
	r := t.net.random("sell")
	o := &t.offer
	type claim struct {
		number int64
		text   string
	}
	c := pick(r, claim{9300000, "9.3 million"}, claim{9300000, "9,300,000"}, claim{655000, "655,000"}, claim{650000, "650k"},
		claim{48000, "48,000"}, claim{397000, "397,000"}, claim{2100000, "2.1 Million"}, claim{34000, "34k"}, claim{10000000, "10 million"})
	o.claimed, o.claimedText = c.number, c.text
	coins := 20 + r.IntN(730)
	o.price, o.dollars = fmt.Sprintf("%d BTC", coins), fmt.Sprintf("$%d,%03d", coins*640/1000, coins*640%1000)
	o.place = pick(r, "Emberlane Market", "Quiet Harbor", "The Lantern Room", "Nightferry")
	when := t.time(t.times["offered"][0])
	o.posted = when.Format("2006-01-02")
	o.share = 40 + r.IntN(50)
	dump = t.dump(r)
	return dump, t.text(r, when.Format(pick(r, "2006-01-02 15:04", "2 Jan 2006 15:04", "Jan 2, 2006")))
}

// text is the post.
func (t *theft) text(r *rand.Rand, when string) []byte {
	o := t.offer
	seller := pick(r, "greyheron", "oldkey", "m_tallow", "nullwarden")
	if one(r, 2) {
		return fmt.Appendf(nil, `%s > Listings > Databases
Seller: %s
Posted: %s

[SELLING] Healthcare database, %s patient records

Fresh, taken from inside a clinic's own network. %s records, never sold before.
Fields: name, birth date, sex, record number, phone, address, insurer.
Also X-ray and MR images of some, and the Access database of the practice.

Price: %s (%s), one copy to one buyer. Escrow accepted.
Sample: dump.csv
`, o.place, seller, when, o.claimedText, o.claimedText, o.price, o.dollars)
	}
	return fmt.Appendf(nil, `From: %s
Market: %s
Date: %s
Subject: %s patients - full info

I have %s patients of a US clinic. It was easy, remote desktop with a bad password.
They had their chance to answer me. Now it is for whoever pays.

Asking %s / %s. No haggling.
A sample is in dump.csv so you can check it yourself.
`, seller, o.place, when, o.claimedText, o.claimedText, o.price, o.dollars)
}
