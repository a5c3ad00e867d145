package guard

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Items of A-ASSOCIATE-RQ and -AC (PS3.8 sections 9.3.2 and 9.3.3, PS3.7 annex D.3.3).
const (
	itemApplication  = 0x10
	itemContextRQ    = 0x20
	itemContextAC    = 0x21
	itemAbstract     = 0x30
	itemTransfer     = 0x40
	itemUser         = 0x50
	itemMost         = 0x51
	itemClassUID     = 0x52
	itemRole         = 0x54
	itemVersion      = 0x55
	itemIdentity     = 0x58
	itemIdentityBack = 0x59
)

// applicationContext is the only one (PS3.7 annex A.2.1).
const applicationContext = "1.2.840.10008.3.1.1.1"

// Results of a presentation context (PS3.8 table 9-18).
const (
	contextAccepted   byte = 0
	contextRejected   byte = 1
	contextNoReason   byte = 2
	contextNoTransfer byte = 4
)

// proposed is one presentation context of a request.
type proposed struct {
	id       byte
	abstract string
	transfer []string
	result   byte   // what becomes of it
	accepted string // transfer syntax
}

// role says what the requestor does with a class (PS3.7 annex D.3.3.4).
type role struct {
	class    string
	scu, scp byte
}

// association is what an A-ASSOCIATE-RQ or -AC says, as far as it is passed on. What is not among these fields is dropped:
// the window of asynchronous operations, extended negotiation, and items that nobody knows.
type association struct {
	head        [68]byte // version, titles and reserved bytes
	application string
	contexts    []proposed
	most        uint32 // bytes of a P-DATA-TF that the sender takes; 0: any
	roles       []role
	kept        [][2][]byte // user items that pass as they are: kind, value
}

const mostContexts = 128 // odd numbers in a byte

func (a *association) called() string  { return title(a.head[4:20]) }
func (a *association) calling() string { return title(a.head[20:36]) }

// title reads an AE title: blanks around it do not count, and old systems pad with NULs (PS3.5 table 6.2-1).
func title(b []byte) string { return strings.Trim(string(b), " \x00") }

const mostTitle = 16 // characters of an AE title (PS3.5 table 6.2-1)

// goodTitle reports whether an AE title has only characters that it may have.
func goodTitle(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' })
}

// readAssociation reads the body of an A-ASSOCIATE-RQ or -AC. Errors: a violation when it is not in the grammar of PS3.8, or
// says something twice.
func readAssociation(kind byte, body []byte) (a *association, err error) {
	err = sound(func() (err error) {
		a, err = parseAssociation(kind, body)
		return err
	})
	return a, err
}

func parseAssociation(kind byte, body []byte) (*association, error) {
	if len(body) < 68 {
		return nil, invalid("association PDU without its titles")
	}
	a := &association{head: [68]byte(body)}
	users := 0
	err := eachItem(body[68:], func(item byte, value []byte) error {
		switch {
		case item == itemApplication:
			if a.application != "" {
				return invalid("two application contexts")
			}
			a.application = uid(value)
		case item == itemContextRQ && kind == pduAssociateRQ:
			return a.readProposed(value)
		case item == itemContextAC && kind == pduAssociateAC:
			return a.readResult(value)
		case item == itemUser:
			users++
			return eachItem(value, a.readUser)
		}
		return nil
	})
	if err == nil && (users != 1 || len(a.contexts) == 0) {
		err = invalid(fmt.Sprintf("association with %d presentation contexts and %d user items", len(a.contexts), users))
	}
	return a, err
}

// eachItem walks type(1) reserved(1) length(2) items.
func eachItem(b []byte, visit func(kind byte, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return invalid("bytes left over in an item")
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return invalid("item longer than what encloses it")
		}
		if err := visit(b[0], b[4:4+n]); err != nil {
			return err
		}
		b = b[4+n:]
	}
	return nil
}

func uid(b []byte) string { return strings.TrimRight(string(b), " \x00") }

func (a *association) readProposed(value []byte) error {
	if len(value) < 4 || value[0]%2 == 0 {
		return invalid("presentation context of an even number")
	}
	p := proposed{id: value[0]}
	if a.context(p.id) != nil || len(a.contexts) == mostContexts {
		return invalid("presentation context twice")
	}
	err := eachItem(value[4:], func(kind byte, value []byte) error {
		switch {
		case kind == itemAbstract && p.abstract == "":
			p.abstract = uid(value)
		case kind == itemTransfer:
			p.transfer = append(p.transfer, uid(value))
		default:
			return invalid("presentation context with another item")
		}
		return nil
	})
	if err == nil && (p.abstract == "" || len(p.transfer) == 0) {
		err = invalid("presentation context without its syntaxes")
	}
	a.contexts = append(a.contexts, p)
	return err
}

// readResult reads the answer to one presentation context. The transfer syntax of a rejected one may be anything.
func (a *association) readResult(value []byte) error {
	if len(value) < 4 || a.context(value[0]) != nil {
		return invalid("result of a presentation context")
	}
	p := proposed{id: value[0], result: value[2]}
	if p.result == contextAccepted {
		err := eachItem(value[4:], func(kind byte, value []byte) error {
			if kind != itemTransfer || p.accepted != "" {
				return invalid("result of a presentation context")
			}
			p.accepted = uid(value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	a.contexts = append(a.contexts, p)
	return nil
}

func (a *association) readUser(kind byte, value []byte) error {
	switch kind {
	case itemMost:
		if len(value) != 4 || a.most != 0 {
			return invalid("maximum length")
		}
		a.most = binary.BigEndian.Uint32(value)
	case itemRole:
		if len(value) < 4 || int(binary.BigEndian.Uint16(value)) != len(value)-4 {
			return invalid("role selection")
		}
		n := len(value)
		a.roles = append(a.roles, role{uid(value[2 : n-2]), value[n-2] & 1, value[n-1] & 1})
	case itemClassUID, itemVersion, itemIdentity, itemIdentityBack:
		if a.has(kind) {
			return invalid("user item twice")
		}
		a.kept = append(a.kept, [2][]byte{{kind}, slices.Clone(value)})
	}
	return nil
}

// has reports whether there is a user item that passes as it is.
func (a *association) has(kind byte) bool {
	return slices.ContainsFunc(a.kept, func(k [2][]byte) bool { return k[0][0] == kind })
}

func (a *association) context(id byte) *proposed {
	for i := range a.contexts {
		if a.contexts[i].id == id {
			return &a.contexts[i]
		}
	}
	return nil
}

func (a *association) role(class string) *role {
	for i := range a.roles {
		if a.roles[i].class == class {
			return &a.roles[i]
		}
	}
	return nil
}

// body writes an A-ASSOCIATE-RQ or -AC.
func (a *association) body(kind byte) []byte {
	b := append([]byte{0, 1, 0, 0}, a.head[4:36]...)
	b = append(b, make([]byte, 32)...)
	b = item(b, itemApplication, []byte(applicationContext))
	for _, p := range a.contexts {
		if kind == pduAssociateAC {
			transfer := p.accepted
			if p.result != contextAccepted {
				transfer = "1.2.840.10008.1.2" // it says nothing
			}
			b = item(b, itemContextAC, item([]byte{p.id, 0, p.result, 0}, itemTransfer, []byte(transfer)))
			continue
		}
		one := item([]byte{p.id, 0, 0, 0}, itemAbstract, []byte(p.abstract))
		for _, t := range p.transfer {
			one = item(one, itemTransfer, []byte(t))
		}
		b = item(b, itemContextRQ, one)
	}
	user := item(nil, itemMost, binary.BigEndian.AppendUint32(nil, a.most))
	for _, k := range a.kept {
		user = item(user, k[0][0], k[1])
	}
	for _, r := range a.roles {
		one := binary.BigEndian.AppendUint16(nil, uint16(len(r.class)))
		user = item(user, itemRole, append(append(one, r.class...), r.scu, r.scp))
	}
	return item(b, itemUser, user)
}

func item(b []byte, kind byte, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, kind, 0), uint16(len(value)))
	return append(b, value...)
}
