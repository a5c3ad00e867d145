package detect

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/page"
)

// WholeFile is the rule of databases in a file that were copied.
const WholeFile = "database-file-copied"

// databases are the endings of files that hold a whole database.
var databases = []string{".mdb", ".accdb", ".mde", ".accde", ".mdw", ".dbf", ".fdb", ".gdb", ".sqlite", ".sdf", ".mdf", ".bak", ".db"}

// whole is the part of a file that is all of it: programs leave out a few pages.
const whole = 0.9

// files keep who read which database file, by the day.
type files map[fileKey]map[int64]*fileDay

type fileKey struct {
	client, server netip.Addr
	name           string // \\server\share\name
}

// Copy is a database file that one client read as a whole.
type Copy struct {
	Client, Server netip.Addr
	Name           string
	Size, Read     int64
	First, Last    time.Time
	Account        string
	Evidence       chaperone.Evidence
	Regular        bool // it does so on other days too
}

// fileDay is all that one client read of a file in a day.
type fileDay struct {
	Copy
	locks int
	best  int64 // distinct bytes of the open that read most
	sum   int64 // over all opens
}

// maxFiles bounds the files that are kept.
const maxFiles = 1 << 16

// File takes a file that was closed.
func (s *Set) File(f exchange.FileRead, evidence chaperone.Evidence) {
	name := strings.ReplaceAll(f.Name, "/", `\`)
	ending := strings.ToLower(path.Ext(strings.ReplaceAll(name, `\`, "/")))
	if f.Read == 0 || !slices.Contains(databases, ending) {
		return
	}
	full := strings.TrimSuffix(f.Share, `\`) + `\` + strings.TrimPrefix(name, `\`)
	k := fileKey{f.Client.Addr(), f.Server.Addr(), full}
	days := s.files[k]
	if days == nil {
		if len(s.files) >= maxFiles {
			return
		}
		days = map[int64]*fileDay{}
		s.files[k] = days
	}
	if f.Opened.IsZero() {
		f.Opened = f.At.Time
	}
	if f.Closed.IsZero() {
		f.Closed = f.At.Time
	}
	n := f.Opened.Unix() / 86400
	d := days[n]
	if d == nil {
		d = &fileDay{Copy: Copy{Client: k.client, Server: k.server, Name: full, First: f.Opened, Evidence: evidence}}
		days[n] = d
	}
	d.Size = max(d.Size, f.Size)
	d.best = max(d.best, f.Read)
	d.sum += f.Read
	d.locks += f.Locks
	if f.Account != "" {
		d.Account = f.Account
	}
	if f.Opened.Before(d.First) {
		d.First, d.Evidence = f.Opened, evidence
	}
	if f.Closed.After(d.Last) {
		d.Last = f.Closed
	}
}

// wholly reports whether a day's reading took all of the file without using it as a database: an application locks pages.
func (d *fileDay) wholly() bool {
	d.Read = max(d.best, min(d.sum, d.Size))
	return d.Size > 0 && float64(d.Read) >= whole*float64(d.Size) && d.locks == 0
}

// Copies gives the database files that were read as a whole, in a fixed order. A backup copies from the first day on, or
// again and again.
func (s *Set) Copies(site *inventory.Site) []Copy {
	const often = 4 // days
	var all []Copy
	for _, days := range s.files {
		n, early := 0, false
		for _, d := range days {
			if d.wholly() {
				n++
				early = early || !isNew(site, d.First)
			}
		}
		for _, d := range days {
			if d.wholly() {
				c := d.Copy
				c.Regular = n > 1 && early || n >= often
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b Copy) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		return strings.Compare(a.Client.String()+a.Name, b.Client.String()+b.Name)
	})
	return all
}

// wholeFiles finds database files that somebody copied who never did before.
func (s *Set) wholeFiles(site *inventory.Site) {
	copies := map[subject]bool{}
	for _, c := range s.Copies(site) {
		f := chaperone.Finding{
			Rule: WholeFile, Severity: chaperone.High, Technique: "T1039", From: host(c.Client), To: host(c.Server), Account: c.Account,
			First: c.First, Last: c.Last, Count: 1, Bytes: c.Read, Evidence: c.Evidence,
			Title:  fmt.Sprintf("A database file was copied as a whole over the network: %s, %s.", short(c.Name), page.Size(c.Size)),
			Advice: "Everybody who can open the share can take the whole file: move it into a database with rights for each user.",
		}
		switch {
		case c.Regular:
			f.Severity = chaperone.Info
			f.Title = fmt.Sprintf("A database file is copied as a whole on several days, as a backup does: %s.", short(c.Name))
			f.Advice = "Make sure that this is your backup, and that its copies are kept as well as the original."
		case !isNew(site, c.First):
			f.Severity = chaperone.Low
		}
		k := subject{f.Rule, f.From.Addr, f.To.Addr, c.Name}
		if copies[k] { // again, on another day
			first := s.found[k]
			first.Count++
			first.Bytes += f.Bytes
			if f.Last.After(first.Last) {
				first.Last = f.Last
			}
			continue
		}
		copies[k] = true
		s.put(c.Name, f)
	}
}
