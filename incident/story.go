// Package incident joins findings, logons and disclosures that belong together into one story: what happened in which
// order, through which hole, how many patients, where to, and what the evidence cannot show.
package incident

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/patient"
)

// Stage is a step of a theft.
type Stage string

// The stages in the order in which a theft passes them.
const (
	Scanned   Stage = "scanned"
	Guessed   Stage = "guessed"
	Entered   Stage = "entered"
	Escalated Stage = "escalated"
	Persisted Stage = "persisted"
	Moved     Stage = "moved"
	Collected Stage = "collected"
	Left      Stage = "left"
	Offered   Stage = "offered"
)

// Stages lists them in order.
var Stages = []Stage{Scanned, Guessed, Entered, Escalated, Persisted, Moved, Collected, Left, Offered}

// Belief says on what a link of the story rests.
type Belief string

// The grades of belief, the strongest first.
const (
	Observed Belief = "observed" // the bytes are in a capture
	Logged   Belief = "logged"   // a system wrote it into its log
	Inferred Belief = "inferred" // it follows from the two; nobody wrote it down
)

// Step is one stage of a story. A stage without evidence is a Step whose Found is false: a gap, never invented.
type Step struct {
	Stage       Stage
	Found       bool
	First, Last time.Time
	By, At      []netip.Addr // who acted, on which systems
	Account     string       // "" when no evidence names one
	Says        string       // one sentence for a person
	Belief      Belief       // of the weakest of its links
	Because     string       // why it belongs to the story; of a gap: what could have shown it
	Findings    []chaperone.Finding
}

// Story is one incident. The zero value is: there is none.
type Story struct {
	Steps    []Step       // one for each of Stages, in that order; empty when there is no story
	Intruder []netip.Addr // the outside addresses that acted
	Entry    netip.Addr   // the system that was entered, invalid when nothing shows it
	Reached  []netip.Addr // systems that the intruder acted from, in order, Entry first
	Taken    Taken
	Claims   []Claim
}

// Taken is what was carried off.
type Taken struct {
	Patients     patient.Counts
	Unidentified int
	Records      int
	Bytes        int64 // of the messages that carried them
	Files        []File
	Outside      int64 // bytes that left to outside addresses
	Sources      []Source
	nodes        []patient.Node
}

// Source says how many patients were taken from one system to another in one way.
type Source struct {
	From, To     chaperone.Party
	By           netip.Addr // who asked
	Protocol     chaperone.Protocol
	Action       string
	Patients     int
	Records      int
	First, Last  time.Time
	Evidence     chaperone.Evidence
	Unidentified int
	nodes        []patient.Node
}

// File is a database file that was read as a whole.
type File struct {
	Name     string // \\server\share\name
	Size     int64
	Read     int64 // distinct bytes of it
	By, At   netip.Addr
	Time     time.Time
	Evidence chaperone.Evidence
}

// Claim is what somebody asserts about the theft: a post that offers records, with the dump beside it if there is one.
type Claim struct {
	Evidence  chaperone.Evidence // the post's file
	Posted    time.Time          // zero when it says none
	Place     string
	Price     string
	Claimed   int64 // the number it claims, 0 when it names none
	Dump      string
	Rows      int              // of the dump, without repetitions
	Proven    int              // distinct patients of the evidence whose exact number is in the dump
	Taken     int              // of them, those in Taken
	Unmatched int              // rows without a match
	Matches   [][]patient.Node // of each matched row: all that bear its number, for HL7 and DICOM numbers are apart
}
