package record_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"testing"

	"chaperone/ledger/record"
)

// TestPartKey compares the derivation with the test vectors of C2SP XAES-256-GCM: one for each value of the bit that CMAC's
// subkey depends on.
func TestPartKey(t *testing.T) {
	nonce := "ABCDEFGHIJKLMNOPQRSTUVWX"
	for _, test := range []struct {
		name       string
		key        byte
		additional string
		want       string
	}{
		{"without carry", 1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{"with carry", 3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			master := record.NewMaster([32]byte(bytes.Repeat([]byte{test.key}, 32)))
			key := master.PartKey([24]byte([]byte(nonce)))
			block, err := aes.NewCipher(key[:])
			if err != nil {
				t.Fatal(err)
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			got := aead.Seal(nil, []byte(nonce[12:]), []byte("XAES-256-GCM"), []byte(test.additional))
			if hex.EncodeToString(got) != test.want {
				t.Errorf("got %x, want %s", got, test.want)
			}
		})
	}
}
