package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
)

const nonceSize = 24

// Master is the key of a day or of the dictionary, from which those of parts come. It is safe for concurrent use.
type Master struct {
	block  cipher.Block
	subkey [aes.BlockSize]byte // K1 of CMAC (NIST SP 800-38B 6.1)
}

// NewMaster takes an AES-256 key.
func NewMaster(key [32]byte) *Master {
	m := &Master{block: newAES(key[:])}
	var l [aes.BlockSize]byte
	m.block.Encrypt(l[:], l[:])
	var carry byte
	for i := len(l) - 1; i >= 0; i-- {
		m.subkey[i] = l[i]<<1 | carry
		carry = l[i] >> 7
	}
	m.subkey[len(l)-1] ^= carry * 0x87
	return m
}

// PartKey opens one part.
type PartKey [32]byte

// PartKey derives the key for a nonce (C2SP XAES-256-GCM). Only the first 12 bytes of it matter.
func (m *Master) PartKey(nonce [24]byte) PartKey {
	var key PartKey
	for half := range 2 {
		block := key[half*aes.BlockSize:][:aes.BlockSize]
		block[1], block[2] = byte(half+1), 'X'
		copy(block[4:], nonce[:12])
		subtle.XORBytes(block, block, m.subkey[:])
		m.block.Encrypt(block, block)
	}
	return key
}

// Commitment binds a part to this key: AES-GCM alone does not.
func (k PartKey) commitment() [32]byte {
	const label = "chaperone/part/v1"
	var b [len(label) + len(k)]byte
	copy(b[:], label)
	copy(b[len(label):], k[:])
	return sha256.Sum256(b[:])
}

func (k PartKey) aead() cipher.AEAD {
	aead, err := cipher.NewGCM(newAES(k[:]))
	if err != nil {
		panic(err) // it has only one reason, a block size that is not AES's
	}
	return aead
}

func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // it has only one reason, a key of another length
	}
	return block
}
