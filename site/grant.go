package site

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Action is one thing that a party may do.
type Action string

// Actions.
const (
	Send      Action = "hl7.send"
	Ask       Action = "hl7.query"
	Associate Action = "dicom.associate"
	Store     Action = "dicom.store"
	Find      Action = "dicom.find"
	Get       Action = "dicom.get"
	Move      Action = "dicom.move"
	Other     Action = "dicom.other" // N-services
	Connect   Action = "tcp.connect"
)

// anyDICOM stands in the file for every action of DICOM.
const anyDICOM Action = "dicom.*"

func actions() []Action { return append(append([]Action{Send, Ask}, dicomActions()...), Connect) }

func dicomActions() []Action { return []Action{Associate, Store, Find, Get, Move, Other} }

// Whose patients a grant is about.
const (
	All   = "all"   // also those of queries that name nobody
	Named = "named" // of a query that names somebody; the default
	Ward  = "ward"  // of the party's own ward
)

// Grant allows something to some parties.
type Grant struct {
	Name                   string
	Parties, Roles, Groups []string // who; any of them
	Actions                []Action // expanded: dicom.* is not among them
	Details                []string // ORU^R01, ADT^*; SOP classes; none: all
	To                     []string // parties, "role:pacs", "group:x", "self"; none: inside the entity
	Outside                bool     // also to outside parties, which To names
	Whose                  string
	Budget                 Limits
}

// Window is a length of time over which distinct patients are counted.
type Window uint8

// Windows.
const (
	Hour  Window = iota
	Day          // 24 hours
	Month        // 30 days
	Year         // 365 days
)

// Limits say how many distinct patients at most, by Window; 0: no limit.
type Limits [4]int

// windowKeys are the names of the windows in the file.
func windowKeys() [4]string { return [4]string{"1h", "24h", "30d", "365d"} }

// roleName reads a role as the plain word that a grant has.
func roleName() codec[string] {
	names := make([]string, 0, len(roles()))
	for _, r := range roles() {
		names = append(names, string(r))
	}
	return choice(names...)
}

// granted is a list of actions, which is dicom.* in the file and all of them in Go.
type granted struct{ to *[]Action }

func (v granted) list(of *[]Action) value { return many(of, choice(append(actions(), anyDICOM)...)) }

func (v granted) standard() { *v.to = nil }

func (v granted) read(r *reader, key string, n *yaml.Node) {
	v.list(v.to).read(r, key, n)
	*v.to = expand(*v.to)
}

func (v granted) node(w *writer, path string) *yaml.Node {
	short := collapse(*v.to)
	return v.list(&short).node(w, path)
}

// expand replaces dicom.* and puts the actions in their order, each once.
func expand(list []Action) []Action {
	if len(list) == 0 {
		return nil
	}
	var all []Action
	for _, a := range actions() {
		if slices.Contains(list, a) || slices.Contains(list, anyDICOM) && slices.Contains(dicomActions(), a) {
			all = append(all, a)
		}
	}
	return all
}

// collapse is the other way: it writes dicom.* where all of them are meant.
func collapse(list []Action) []Action {
	for _, a := range dicomActions() {
		if !slices.Contains(list, a) {
			return list
		}
	}
	var short []Action
	for _, a := range list {
		switch {
		case a == Associate:
			short = append(short, anyDICOM)
		case !slices.Contains(dicomActions(), a):
			short = append(short, a)
		}
	}
	return short
}
