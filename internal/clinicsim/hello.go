package clinicsim

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"hash/fnv"
	"math/big"
	"math/rand/v2"
	"time"
)

// certificate gives a computer's self-signed certificate, as Windows makes one for remote desktop: it says the
// computer's name and is valid for half a year. The same name and time give the same bytes.
func certificate(name string, from time.Time) []byte {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(name)) // it takes everything
	r := rand.New(rand.NewPCG(digest.Sum64(), 1))
	key := ed25519.NewKeyFromSeed(random(r, ed25519.SeedSize)) // its signatures need no random numbers
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(r.Uint64() >> 1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    from,
		NotAfter:     from.AddDate(0, 6, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		panic(err) // the template is fixed
	}
	return der
}

// shake is a TLS 1.2 handshake with ephemeral keys (RFC 5246 section 7.3, RFC 8422): until it ends, all can be read.
func shake(f *flow, r *rand.Rand, name string, certificate []byte) {
	f.Send(FromClient, tlsRecord(22, 0x0301, clientHello12(r, name)))
	f.Send(FromServer, tlsRecord(22, 0x0303, serverFlight12(r, certificate)))
	public := append([]byte{32}, random(r, 32)...)
	b := tlsRecord(22, 0x0303, handshake(16, public))
	b = append(b, tlsRecord(20, 0x0303, []byte{1})...)
	f.Send(FromClient, append(b, tlsRecord(22, 0x0303, random(r, 40))...))
	f.Send(FromServer, append(tlsRecord(20, 0x0303, []byte{1}), tlsRecord(22, 0x0303, random(r, 40))...))
}

// sealed is one record of n encrypted bytes.
func sealed(r *rand.Rand, n int) []byte { return tlsRecord(23, 0x0303, random(r, n)) }

// clientHello12 offers TLS 1.2; who connects to an address gives no name.
func clientHello12(r *rand.Rand, name string) []byte {
	b := append([]byte{3, 3}, random(r, 32)...)
	b = append(b, 0, 0, 8, 0xC0, 0x2C, 0xC0, 0x2B, 0xC0, 0x30, 0xC0, 0x2F, 1, 0)
	e := extension(serverName(name), 10, []byte{0, 4, 0, 29, 0, 23})
	e = extension(e, 11, []byte{1, 0})
	e = extension(e, 13, []byte{0, 8, 8, 7, 4, 3, 8, 4, 4, 1})
	e = extension(e, 23, nil)
	e = extension(e, 0xFF01, []byte{0})
	b = binary.BigEndian.AppendUint16(b, uint16(len(e)))
	return handshake(1, append(b, e...))
}

// serverFlight12 is ServerHello, Certificate, ServerKeyExchange and ServerHelloDone.
func serverFlight12(r *rand.Rand, certificate []byte) []byte {
	hello := append([]byte{3, 3}, random(r, 32)...)
	hello = append(append(hello, 32), random(r, 32)...)
	hello = append(hello, 0xC0, 0x2B, 0)
	e := extension(extension(nil, 23, nil), 0xFF01, []byte{0})
	hello = append(binary.BigEndian.AppendUint16(hello, uint16(len(e))), e...)
	three := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	chain := append(three(len(certificate)+3), three(len(certificate))...)
	keys := append([]byte{3, 0, 29, 32}, random(r, 32)...) // a named curve, x25519
	keys = append(keys, 8, 7, 0, 64)                       // signed with ed25519
	b := handshake(2, hello)
	b = append(b, handshake(11, append(chain, certificate...))...)
	b = append(b, handshake(12, append(keys, random(r, 64)...))...)
	return append(b, handshake(14, nil)...)
}
