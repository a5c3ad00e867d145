package post

import (
	"strings"
	"testing"
	"time"
)

const (
	listing = `Healthcare Database (48,000 Patients) from Farmington, United States

Market: TheRealDeal
Posted: June 26, 2016 14:03 UTC
Price: 151.96 BTC (~$98,000)

This product is a very large database in plaintext. It will be sold once, to one buyer.
It was retrieved from a system of an old software, 3 TB of it. Escrow only.
`
	note = `We have your data.

9.3 million patient records, 300 GB, with SSN and insurance, were taken from your network.
If you do not pay 750 BTC (~$485,000) until July 4, 2016 they will be published.
abcdefghij234567.onion
`
	german = `Datum: 26.06.2016 14:03
Forum: Beispielmarkt

Verkaufe 650.000 Patientendatensätze einer Klinik, Preis 20.000 EUR.
`
)

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want Post
	}{
		"listing": {listing, Post{48_000, "151.96 BTC (~$98,000)", time.Date(2016, 6, 26, 14, 3, 0, 0, time.UTC), "TheRealDeal"}},
		"note":    {note, Post{Claimed: 9_300_000, Price: "750 BTC (~$485,000)", Place: "abcdefghij234567.onion"}},
		"German":  {german, Post{650_000, "20.000 EUR", time.Date(2016, 6, 26, 14, 3, 0, 0, time.UTC), "Beispielmarkt"}},
		"CRLF":    {strings.ReplaceAll(german, "\n", "\r\n"), Post{650_000, "20.000 EUR", time.Date(2016, 6, 26, 14, 3, 0, 0, time.UTC), "Beispielmarkt"}},
		"one line": {"WTS 655k patients, SSN + DOB, $485,000, PM for samples",
			Post{Claimed: 655_000, Price: "$485,000"}},
		"no price": {"Selling a fresh dump of 397,000 patient records. Contact me.", Post{Claimed: 397_000}},
		"price without currency": {"Price: 2000, negotiable\nPatients: 12,500\nsamples on request",
			Post{Claimed: 12_500, Price: "2000, negotiable"}},
		"sum for number":   {"$485,000 for 655,000 patient records, price is firm", Post{Claimed: 655_000, Price: "$485,000"}},
		"for sale":         {"48,000 patient records for sale", Post{Claimed: 48_000}},
		"German, in short": {"Verkaufe 650.000 Patientendaten", Post{Claimed: 650_000}},
		"mail": {"From: a@example.org\nDate: Sun, 26 Jun 2016 16:03:11 +0200\nSubject: your patients\n\nYour network has been hacked. Pay 20 BTC or 15 000 patient records will be sold.",
			Post{Claimed: 15_000, Price: "20 BTC", Posted: time.Date(2016, 6, 26, 14, 3, 11, 0, time.UTC)}},
		"on a market": {"On the AlphaBay market I sell 1.2M US patients, 2 BTC.", Post{Claimed: 1_200_000, Price: "2 BTC", Place: "AlphaBay"}},
		"polite note": {"Dear Dr. Muster,\n\nwe hacked your clinic and exfiltrated 34,000 patient records. Send 10 bitcoin. Failure to pay, and we will leak them.\nKind regards",
			Post{Claimed: 34_000, Price: "10 bitcoin"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Read([]byte(test.text))
			if !ok || got != test.want {
				t.Errorf("got %+v, %t, want %+v", got, ok, test.want)
			}
		})
	}
}

func TestNoPost(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          "",
		"price only":     "Selling one ultrasound machine, $485,000, or 750 BTC. Escrow. Serious buyers only.",
		"count only":     "The database holds 9,300,000 patient records.",
		"bytes for sale": "Selling 3 TB of scans, 300 GB of text, $485,000.",
		"README":         "# clinic-sim\n\nGenerates 9,300,000 synthetic patient records for a benchmark.\n\n## Installation\n\n    go install ./...\n\n## Usage\n\nBuy me a coffee for $5. MIT license.\n",
		"README, offers": "The library offers an API to read 1,000,000 records per second from a database dump. See CHANGELOG. Price: free, $0.\n",
		"letter":         "Dear Mr. Muster,\n\nyour appointment is on June 26, 2016. Our clinic treats 12,000 patients a year. Please pay $150.00 for the visit.\n\nSincerely\n",
		"German letter":  "Sehr geehrte Frau Muster,\n\nunsere Klinik behandelt 12.000 Patienten im Jahr. Die Zahlung von 150 Euro ist fällig.\n\nMit freundlichen Grüßen\n",
		"invoice":        "Invoice 2016-117\nAmount due: $4,800.00\nSoftware for 5,000 patients, price as offered. Payment within 30 days.\n",
		"breach notice":  "Notice of Data Breach\n\nWe are writing to inform you that on June 26, 2016 a thief offered for sale 48,000 patient records of our clinic for $98,000. We offer credit monitoring.\n",
		"news":           "A hacker is selling 655,000 patient records for 750 BTC, according to a report. A spokesperson said investigators were told.\n",
		"annual report":  "In the fiscal year we cared for 12,000 patients with a budget of $4,000,000 for the new database.\n",
		"study":          "A study of 9,300 patients; participants were paid $50. The cohort was followed for 3 years.\n",
		"source code":    "// offer tells the server which of 21 records to dump; the database has samples.\nfunc offer() { return nil }\n",
		"system log":     "2016-06-26 14:03:11 export 9,300,000 records sold=1 price 5 BTC\n2016-06-26 14:03:12 selling done, 10 patients\n2016-06-26 14:03:13 end\n",
		"syslog":         "Jun 26 14:03:11 host app: 9300000 records, selling for $5\nJun 26 14:03:12 host app: 9300000 records, for sale 1 BTC\n",
		"table":          "mrn,last,dob,ssn\n1001,Muster,1962-08-12,219-09-9999\n",
		"telephone":      "For sale: clinic furniture, $500. Fax 555-010-4567 Medical Records Department, phone (555) 010-4567 records.",
		"binary":         "selling 655,000 patients\x00 for 750 BTC",
		"too long":       strings.Repeat("selling 655,000 patients for 750 BTC. ", 10_000),
		"a few":          "Selling data of 3 patients for $5.",
		"job":            "The clinic has 250 employees and 14 doctors. We offer a salary of $85,000.",
		"minutes":        "Minutes of the meeting: 4,500 patients migrated, price of the licence $12,000, payment in July.\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := Read([]byte(text)); ok || got != (Post{}) {
				t.Errorf("got %+v, want none", got)
			}
		})
	}
}

func TestPrice(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string
		kind       pricing
	}{
		"coins and dollars":  {"Price: 750 BTC (~$485,000)", "750 BTC (~$485,000)", coins},
		"dollars and coins":  {"for $485,000 / 750 BTC", "$485,000 / 750 BTC", coins},
		"dollars":            {"asking $485,000 for it", "$485,000", priced},
		"thousands":          {"asking $485k", "$485k", priced},
		"code first":         {"Price USD 1,500.50 only", "USD 1,500.50", priced},
		"code behind":        {"pay 20.000 EUR", "20.000 EUR", priced},
		"sign behind":        {"Preis 20.000 €", "20.000 €", priced},
		"fraction of a coin": {"0.5 XMR", "0.5 XMR", priced},
		"words":              {"we want 20 bitcoins", "20 bitcoins", coins},
		"asked beats named":  {"worth $9 million. Price $485,000.", "$485,000", priced},
		"named":              {"worth $9 million.", "$9 million", amount},
		"header":             {"x\nAsking price: 2000 negotiable\ny", "2000 negotiable", priced},
		"none":               {"3 TB, 300 GB, 2016-06-26, 9.3 million", "", unpriced},
		"in a word":          {"x86 20BTCx A$B", "", unpriced},
	} {
		t.Run(name, func(t *testing.T) {
			got, kind := price(test.text)
			if got != test.want || kind != test.kind {
				t.Errorf("got %q, %d, want %q, %d", got, kind, test.want, test.kind)
			}
		})
	}
}

func TestPosted(t *testing.T) {
	day := time.Date(2016, 6, 26, 0, 0, 0, 0, time.UTC)
	hour := day.Add(14*time.Hour + 3*time.Minute)
	for name, test := range map[string]struct {
		text string
		want time.Time
	}{
		"ISO day":           {"Date: 2016-06-26", day},
		"ISO":               {"Posted: 2016-06-26T14:03:00Z", hour},
		"ISO, zone":         {"Posted: 2016-06-26 16:03 +02:00", hour},
		"American":          {"Posted: June 26, 2016 14:03 UTC", hour},
		"American, at":      {"Posted on June 26th, 2016 at 2:03 PM", hour},
		"short month":       {"Date: Jun 26, 2016", day},
		"RFC 1123":          {"Date: Sun, 26 Jun 2016 14:03:00 GMT", hour},
		"RFC 2822":          {"Date: Sun, 26 Jun 2016 10:03:00 -0400 (EDT)", hour},
		"named zone":        {"Date: June 26, 2016 10:03 EDT", hour},
		"German":            {"Datum: 26.06.2016 14:03 Uhr", hour},
		"German month":      {"Datum: 26. Juni 2016, 14:03", hour},
		"March in German":   {"Datum: 1. März 2016", time.Date(2016, 3, 1, 0, 0, 0, 0, time.UTC)},
		"slashes":           {"Date: 06/26/2016", day},
		"slashes, British":  {"Date: 26/06/2016", day},
		"midnight":          {"Date: 2016-06-26 12:00 am", day},
		"marked up":         {"**Posted:** 2016-06-26", day},
		"in a line":         {"Listing 7 - posted by somebody on June 26, 2016 14:03", hour},
		"a line of its own": {"Healthcare\n\nJune 26, 2016\n\ntext", day},

		"two ways":       {"Date: 06/07/2016", time.Time{}},
		"no such day":    {"Date: 2016-02-30", time.Time{}},
		"no such month":  {"Date: Foo 26, 2016", time.Time{}},
		"a deadline":     {"You have until July 4, 2016 to pay what we ask you for", time.Time{}},
		"will be posted": {"The records will be posted on July 4, 2016", time.Time{}},
		"far below":      {"a\nb\nc\nd\ne\nf\ng\n2016-06-26", time.Time{}},
		"none":           {"nothing", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := posted(strings.Split(test.text, "\n")); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	host := strings.Repeat("ab23", 14) + ".onion"
	for text, want := range map[string]string{
		"Market: TheRealDeal":                   "TheRealDeal",
		"x\n  Forum:  Some Board \ny":           "Some Board",
		"Site: http://abcdefghij234567.onion/x": "http://abcdefghij234567.onion/x",
		"see " + host + "/listing":              host,
		"for sale on TheRealDeal now":           "TheRealDeal",
		"listed on the Exampleton Market":       "Exampleton Market",
		"posted on Tuesday":                     "",
		"on the market":                         "",
		"short.onion":                           "",
		"":                                      "",
	} {
		t.Run(text, func(t *testing.T) {
			if got := place(text); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
