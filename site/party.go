package site

import "net/netip"

// Party is one system, or one outside organisation, that exchanges patient data.
type Party struct {
	Name         string
	Role         Role // "" none
	Groups       []string
	Titles       []string       // AE titles it may use
	Applications []string       // MSH-3@MSH-4 it may use; without @ any facility
	Addresses    []netip.Prefix // where it may connect from; none: anywhere
	Hours        Hours          // when; none: always
	Subject      string         // of a certificate from an outside issuer; "" for those of the own one
	Outside      bool           // not of the operator's entity
	Approval     bool           // each use needs an approval
	Refuse       Refusals
	Budget       Limits
}

// Refusals are the DICOM statuses by which a party's software is told that something is not permitted, by service; "" is the usual one.
type Refusals struct{ Store, Find, Get, Move Status }

// Status is a DICOM status that says no, in hexadecimal (PS3.7 annex C, PS3.4 annexes B and C).
type Status string

// Statuses of refusals. Warnings and a cancellation are not among them: software takes those for an end that is good enough.
const (
	NotAuthorized   Status = "0124" // the usual one
	OutOfResources  Status = "A700" // of C-STORE and C-FIND
	NoSubOperations Status = "A702" // of C-GET and C-MOVE: unable to perform them
	UnableToProcess Status = "C000"
)

// Role is what a party is, in the words of the inventory.
type Role string

// Roles.
const (
	Modality    Role = "modality"
	PACS        Role = "pacs"
	Viewer      Role = "viewer"
	Engine      Role = "engine" // passes on HL7 messages
	Server      Role = "server" // keeps records: EHR, RIS
	Workstation Role = "workstation"
	Lab         Role = "lab"
	Vendor      Role = "vendor" // maintains somebody else's system
	Research    Role = "research"
)

// roles gives all of them, in the order of the documentation.
func roles() []Role {
	return []Role{Modality, PACS, Viewer, Engine, Server, Workstation, Lab, Vendor, Research}
}
