package clinicsim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// collect asks the archive for everybody, lets it send some studies away, and copies the database.
func (t *theft) collect(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	until := t.times["collected"][1]
	length := until - at
	found := t.sweep(r, at, at+length*4/10, wait)
	now := max(t.net.clock(), at+length*45/100)
	r.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	n := min(len(found), 6+r.IntN(12))
	for i, s := range found[:n] {
		when := max(t.net.clock(), now+time.Duration(i)*length*30/100/time.Duration(n))
		wait(when)
		t.carry(r, when, s, wait)
	}
	when := max(t.net.clock(), at+length*80/100)
	wait(when)
	first := t.mount(r, when, t.reader, files, t.account, t.stored.share)
	list := []*share{first}
	if one(r, 3) {
		second := t.shares(r, first.now+time.Millisecond, t.reader, files)
		second.session, second.account = first.session, first.account
		second.setup(t.account, true, 1)
		second.tree = first.tree
		first.at(second.now)
		list = append(list, second)
	}
	t.stored.copy(pick(r, 32768, 65536), wait, list...)
	for _, s := range list[1:] {
		s.at(first.now)
		s.close(FromClient)
		first.at(s.now)
	}
	t.unmount(first)
}

// question is one query of a sweep: what it asks, and who fits.
type question struct {
	key  Element
	fits func(*study) bool
}

// questions gives queries that together find all: by date, by name, or by number.
func (t *theft) questions(r *rand.Rand) []question {
	var list []question
	switch r.IntN(3) {
	case 0:
		months := pick(r, 1, 2, 3, 6)
		for from := t.net.begin.AddDate(-2, -1, 0); from.Before(t.net.begin.AddDate(0, 0, t.Days)); from = from.AddDate(0, months, 0) {
			first, last := from.Format("20060102"), from.AddDate(0, months, -1).Format("20060102")
			list = append(list, question{Text(0x00080020, "DA", first+"-"+last), func(s *study) bool {
				return s.date[:8] >= first && s.date[:8] <= last
			}})
		}
	case 1:
		for letter := byte('A'); letter <= 'Z'; letter++ {
			list = append(list, question{Text(0x00100010, "PN", string(letter)+"*"), func(s *study) bool { return s.person.Family[0] == letter }})
		}
	default:
		for _, prefix := range []string{"M100", "M101", "M102", "M103", "M104", "M105", "R"} {
			list = append(list, question{Text(0x00100020, "LO", prefix+"*"), func(s *study) bool { return strings.HasPrefix(s.person.Imaging, prefix) }})
		}
	}
	return list
}

// sweep queries the archive and gives the studies that it told of.
func (t *theft) sweep(r *rand.Rand, at, until time.Duration, wait func(time.Duration)) []*study {
	var found []*study
	seen := map[*study]bool{}
	list := t.questions(r)
	step := (until - at) / time.Duration(len(list)+1)
	var c *call
	for i, q := range list {
		when := at + time.Duration(i)*step
		if c == nil {
			wait(max(when, t.net.clock()))
			c = t.dial(r, wait, max(when, t.net.clock()), t.console, archive, portDICOM, accepted(Verification, ImplicitLE), accepted(StudyRootFind, ExplicitLE))
			c.Calling = t.calling
			c.Open()
		}
		c.until(when)
		var matches []DataSet
		var records []Record
		for _, s := range t.archived {
			if !isHeld(s) || !q.fits(s) {
				continue
			}
			ds, rec := s.match(true, true)
			matches, records = append(matches, ds), append(records, rec)
			t.take(s, rec)
			if !seen[s] && s.person.Imaging != "" {
				seen[s] = true
				found = append(found, s)
			}
		}
		c.list(StudyRootFind, query(q.key), matches, records)
		if i%8 == 7 { // an association is not kept for ever
			c.hangUp()
			c = nil
		}
	}
	if c != nil {
		c.hangUp()
	}
	return found
}

// query asks for studies by one key.
func query(key Element) DataSet {
	ds := DataSet{Text(0x00080052, "CS", "STUDY"), Text(0x0020000D, "UI", "")}
	if key.Tag != 0x00100020 {
		ds = append(ds, Text(0x00100020, "LO", ""))
	}
	ds = append(ds, key)
	slices.SortFunc(ds, func(a, b Element) int { return int(int64(a.Tag) - int64(b.Tag)) })
	return ds
}

// carry makes the archive send a study to a receiver that it has never sent anything to.
func (t *theft) carry(r *rand.Rand, at time.Duration, s *study, wait func(time.Duration)) {
	c := t.dial(r, wait, at, t.console, archive, portDICOM, accepted(StudyRootMove, ImplicitLE))
	c.Calling = t.calling
	c.Open()
	f := c.fetch(r, s, t.receiver, t.called)
	for range s.images {
		t.take(s, s.record())
	}
	if !inside(t.receiver.Addr) {
		t.outside = append(t.outside, f)
	}
	c.hangUp()
}

// fetch is a C-MOVE of one study to a receiver that has a title. It gives the connection on which the images went.
func (c *call) fetch(r *rand.Rand, s *study, receiver Host, title string) *flow {
	id := c.MoveRequest(StudyRootMove, title, keys("STUDY", s.person.Imaging, s.uid))
	sub := c.day.dial(r, c.wait, c.flow.now+5*time.Millisecond, archive, receiver, portDICOMUp, accepted(s.class, ImplicitLE))
	sub.Called = title
	sub.Open()
	for i := range s.images {
		sub.store(FromClient, s, i, &MoveOrigin{c.Calling, id}, c.client.Addr.String(), Success)
		c.flow.at(sub.flow.now)
		if i+1 < s.images {
			c.MoveAnswer(StudyRootMove, id, Pending, Counts{Remaining: s.images - i - 1, Completed: i + 1})
		}
		sub.flow.at(c.flow.now + time.Millisecond)
		c.wait(c.flow.now)
	}
	sub.hangUp()
	c.until(sub.flow.now + time.Millisecond)
	c.MoveAnswer(StudyRootMove, id, Success, Counts{Completed: s.images})
	return sub.flow
}

// leave carries the loot out of the clinic, over one or more TLS connections.
func (t *theft) leave(r *rand.Rand, at time.Duration, wait func(time.Duration)) {
	until := t.times["left"][1]
	total := int64(1028+r.IntN(60)) << 20
	n := 1 + r.IntN(3)
	for i := range n {
		begin := at + (until-at)*time.Duration(i)/time.Duration(n)
		end := at + (until-at)*time.Duration(i+1)/time.Duration(n) - time.Minute
		wait(begin)
		f := t.upload(r, begin, end, t.stager, t.drop, pick(r, "", "cdn.invented.example"), total/int64(n), wait)
		t.outside = append(t.outside, f)
	}
}

// upload is a TLS connection by which much goes out.
func (w *week) upload(r *rand.Rand, at, until time.Duration, client, server Host, name string, bytes int64, wait func(time.Duration)) *flow {
	f := w.greet(r, at, client, server, portHTTPS, name)
	f.calm = true
	f.Send(FromClient, sealed(r, 400+r.IntN(300)))
	f.Send(FromServer, sealed(r, 200))
	f.pour(FromClient, bytes, until, wait)
	f.Send(FromServer, sealed(r, 180))
	f.close(FromClient)
	return f
}
