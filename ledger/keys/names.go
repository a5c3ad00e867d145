package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"chaperone/ledger"
)

// Names turns a ledger's numbers into the ids that are shown outside, and back. It is safe for concurrent use.
//
// An id is one block of AES-256: twelve zero bytes and the number, enciphered with a key of this ledger alone. So it looks
// random, needs no table, and an id that was not made here is told by the zeros (one in 2^96 is not).
type Names struct{ block cipher.Block }

// Patients gives the names of the ledger with that id.
func (d Data) Patients(id [16]byte) *Names {
	key := d.derive("chaperone/patient-id/v1", id[:]...)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	return &Names{block}
}

// ID gives the name of a number.
func (n *Names) ID(number ledger.Number) (id ledger.PatientID) {
	n.Put(&id, number)
	return id
}

// Put writes the name of a number to memory of the caller's: ID has to take some for every name.
func (n *Names) Put(id *ledger.PatientID, number ledger.Number) {
	*id = ledger.PatientID{}
	binary.BigEndian.PutUint32(id[12:], uint32(number))
	n.block.Encrypt(id[:], id[:])
}

// Number gives the number behind a name. ok is false for one that this ledger did not make.
func (n *Names) Number(id ledger.PatientID) (number ledger.Number, ok bool) {
	var plain [aes.BlockSize]byte
	n.block.Decrypt(plain[:], id[:])
	number = ledger.Number(binary.BigEndian.Uint32(plain[12:]))
	return number, number != 0 && [12]byte(plain[:12]) == [12]byte{}
}
