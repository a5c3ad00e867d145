package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"chaperone/ledger"
	"chaperone/ledger/keys"
)

// wrap makes the file of a day's key as package keys describes it: only a branch has a key that is older than its ledger.
func wrap(key [32]byte, day ledger.Day, data keys.Data, id [16]byte) []byte {
	const distance = 4096
	mac := hmac.New(sha256.New, data[:])
	mac.Write([]byte("chaperone/day-key/v1"))
	mac.Write(id[:])
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is one of AES
	}
	c := binary.BigEndian.AppendUint32([]byte("chapkey1"), 1)
	c = binary.BigEndian.AppendUint32(c, uint32(day))
	dataID := data.ID()
	c = append(append(c, id[:]...), dataID[:]...)
	c = aead.Seal(c, nil, key[:], c)
	c = binary.BigEndian.AppendUint32(c, crc32.Checksum(c, crc32.MakeTable(crc32.Castagnoli)))
	b := make([]byte, 2*distance)
	copy(b, c)
	copy(b[distance:], c)
	return b
}
