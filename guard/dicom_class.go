package guard

import (
	"strings"

	"chaperone/policy"
)

// service is what a presentation context is for, by its abstract syntax (PS3.4).
type service uint8

const (
	storing   service = iota // C-STORE; also what nobody knows: a manufacturer's own classes
	verifying                // C-ECHO
	finding
	moving
	getting
	normalized // N-services
	unified    // worklist of unified procedure steps: N-services, and C-FIND among them
)

// serviceOf gives what a class is for. Families of query and retrieve number their members: .1 find, .2 move, .3 get, and those
// that also store begin with that.
func serviceOf(class string) service {
	const root = "1.2.840.10008.5.1.4."
	if class == "1.2.840.10008.1.1" {
		return verifying
	}
	for _, prefix := range []string{"1.2.840.10008.3.1.2.", "1.2.840.10008.1.20.", "1.2.840.10008.5.1.1.", "1.2.840.10008.1.40", "1.2.840.10008.1.42", root + "33", root + "34.4", root + "34.8"} {
		if strings.HasPrefix(class, prefix) {
			return normalized
		}
	}
	if strings.HasPrefix(class, root+"34.5.") || strings.HasPrefix(class, root+"34.6.") {
		return unified
	}
	member := class[strings.LastIndexByte(class, '.')+1:]
	for _, family := range []struct {
		prefix string
		first  service // what member 1 is
	}{
		{root + "1.2.", finding}, {root + "20.", finding}, // query/retrieve; defined procedure protocols
		{root + "38.", storing}, {root + "39.", storing}, {root + "43.", storing}, {root + "44.", storing}, {root + "45.", storing}, // hanging protocols, palettes, implants
	} {
		if !strings.HasPrefix(class, family.prefix) {
			continue
		}
		services := []service{finding, moving, getting}
		if family.first == storing {
			services = []service{storing, finding, moving, getting}
		}
		if n := int(member[0] - '1'); len(member) == 1 && n >= 0 && n < len(services) {
			return services[n]
		}
	}
	for _, prefix := range []string{root + "31", root + "32", root + "37.", root + "41", root + "42"} { // worklists, relevant patient information, inventory
		if class == prefix || strings.HasPrefix(class, strings.TrimSuffix(prefix, ".")+".") {
			return finding
		}
	}
	return storing
}

// action is what policy calls a service of the client.
func (s service) action() policy.Action {
	switch s {
	case storing:
		return policy.Store
	case finding:
		return policy.Find
	case moving:
		return policy.Move
	case getting:
		return policy.Get
	}
	return policy.Other
}

// carries reports whether a command may be sent on a context of the service.
func (s service) carries(field uint16) bool {
	switch field {
	case fieldStore:
		return s == storing
	case fieldEcho:
		return s == verifying
	case fieldFind:
		return s == finding || s == unified
	case fieldMove:
		return s == moving
	case fieldGet:
		return s == getting
	}
	return field >= 0x0100 && (s == normalized || s == unified)
}
