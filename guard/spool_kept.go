package guard

import (
	"encoding/binary"
	"errors"
	"slices"

	"chaperone/guard/spool"
)

// keptObject is what has to be known to deliver an object: the request for an association under the client's titles, with one
// presentation context in which the class has the transfer syntax of the data set, and the command as it came. On disk:
//
//	0 4  length of the request, big-endian
//	4 .  the request: the body of an A-ASSOCIATE-RQ (PS3.8 section 9.3.2)
//	. .  the command set (PS3.7 section 6.3.1), to the end
type keptObject struct {
	request  []byte
	transfer string // its syntax
	*command
}

// keptContext is the number of that context.
const keptContext = 1

var errKept = errors.New("dicom: what was kept of an object was not written by this version")

// keep gives what is kept of a command of an association.
func (a *association) keep(c *command) []byte {
	p := a.context(c.context)
	one := association{head: a.head, most: usualPDU, contexts: []proposed{{id: keptContext, abstract: p.abstract, transfer: []string{p.accepted}}}}
	for _, k := range a.kept {
		if k[0][0] == itemClassUID || k[0][0] == itemVersion { // whoever is a user there, nobody has checked
			one.kept = append(one.kept, k)
		}
	}
	request := one.body(pduAssociateRQ)
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request, c.raw)
}

// readKept reads what keep wrote.
func readKept(e *spool.Entry) (k keptObject, err error) {
	b := e.Message
	if len(b) < 4 {
		return k, errKept
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return k, errKept
	}
	k.request = b[:n]
	if k.command, err = readCommand(keptContext, b[n:]); err != nil || k.field != fieldStore || !k.dataSet {
		return k, errKept
	}
	a, err := readAssociation(pduAssociateRQ, k.request)
	if err != nil || len(a.contexts) != 1 || a.contexts[0].id != keptContext || len(a.contexts[0].transfer) != 1 {
		return k, errKept
	}
	k.transfer = a.contexts[0].transfer[0]
	return k, nil
}
