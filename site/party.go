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
	Budget       Limits
}

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
