package dimse_test

import (
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

func TestAssociation(t *testing.T) {
	request := associate(1, 1, implicit)
	rejected := func(context byte, more ...[]byte) []byte {
		return associateWith(2, item(0x21, []byte{context, 0, 4, 0}, cat(more...)))
	}
	for _, test := range []struct {
		name  string
		turns []wiretest.Turn
		want  []string
	}{
		{"accepted", begin, []string{accepted}},
		{"no answer", []wiretest.Turn{client(request)}, []string{"A-ASSOCIATE control MODALITY>PACS unknown"}},
		{"calling AE title not recognised", []wiretest.Turn{client(request), server(pdu(3, []byte{0, 1, 1, 3}))}, []string{"A-ASSOCIATE control MODALITY>PACS refused calling AE title not recognised"}},
		{"called AE title not recognised", []wiretest.Turn{client(request), server(pdu(3, []byte{0, 1, 1, 7}))}, []string{"A-ASSOCIATE control MODALITY>PACS refused called AE title not recognised"}},
		{"local limit", []wiretest.Turn{client(request), server(pdu(3, []byte{0, 2, 3, 2}))}, []string{"A-ASSOCIATE control MODALITY>PACS refused local limit exceeded"}},
		{"a rejected context with an empty transfer syntax", []wiretest.Turn{client(request), server(rejected(1, item(0x40)))}, []string{accepted}},
		{"a rejected context without a transfer syntax", []wiretest.Turn{client(request), server(rejected(1))}, []string{accepted}},
		{"a rejected context with garbage", []wiretest.Turn{client(request), server(rejected(1, []byte{0x40, 0, 0xFF, 0xFF, 7}))}, []string{accepted}},
		{"items that overrun the PDU", []wiretest.Turn{client(associateWith(1, []byte{0x20, 0, 0xFF, 0xFF, 1}))}, []string{"A-ASSOCIATE control MODALITY>PACS unknown", "malformed 1"}},
		{"too short", []wiretest.Turn{client(pdu(1, make([]byte, 20)))}, []string{"malformed 1"}},
		{"a second request", []wiretest.Turn{client(request), client(request)}, []string{"A-ASSOCIATE control MODALITY>PACS unknown", "A-ASSOCIATE control MODALITY>PACS unknown", "malformed 1"}},
		{"padding of NULs", []wiretest.Turn{client([]byte(strings.ReplaceAll(string(request), " ", "\x00"))), begin[1]}, []string{accepted}},
		{"aborted at once", []wiretest.Turn{client(request), server(pdu(7, make([]byte, 4))), begin[1]}, []string{"A-ASSOCIATE control MODALITY>PACS unknown"}},
		{"released", append(slices.Clone(begin), client(pdu(5, make([]byte, 4))), server(pdu(6, make([]byte, 4)))), []string{accepted}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := wiretest.Transcript(dimse.Protocol, false, test.turns...); !slices.Equal(got, test.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
			wiretest.Check(t, dimse.Protocol, test.turns, 0)
		})
	}
}

// associateWith is an A-ASSOCIATE with other items than the usual ones.
func associateWith(kind byte, items []byte) []byte {
	return pdu(kind, associate(kind, 1, implicit)[6:74], items)
}

// TestTransferSyntax: the accepted one counts, and without an answer the only one that was offered.
func TestTransferSyntax(t *testing.T) {
	plain := []byte{0x10, 0, 0x20, 0, 'L', 'O', 4, 0, '1', '2', '3', '4'}
	for _, test := range []struct {
		name   string
		before []wiretest.Turn
		data   []byte
	}{
		{"explicit", []wiretest.Turn{client(associate(1, 1, explicit)), server(associate(2, 1, explicit))}, plain},
		{"deflated", []wiretest.Turn{client(associate(1, 1, deflated)), server(associate(2, 1, deflated))}, append(deflate(plain), 0)},
		{"big endian", []wiretest.Turn{client(associate(1, 1, "1.2.840.10008.1.2.2")), server(associate(2, 1, "1.2.840.10008.1.2.2"))}, []byte{0, 0x10, 0, 0x20, 'L', 'O', 0, 4, '1', '2', '3', '4'}},
		{"the answer was not seen", []wiretest.Turn{client(associate(1, 1, deflated)), {Dir: wire.FromServer, Gap: 99}}, deflate(plain)},
		{"nothing was seen", nil, plain},
		{"nothing was seen, implicit", nil, text(0x00100020, "1234")},
		{"another than was accepted", begin, plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			turns := append(slices.Clone(test.before), client(pdu(4, pdv(1, 3, store), pdv(1, 2, test.data))))
			got := strings.Join(wiretest.Transcript(dimse.Protocol, false, turns...), "\n")
			if !strings.Contains(got, "{1234}") {
				t.Errorf("got %s, want {1234}", got)
			}
			wiretest.Check(t, dimse.Protocol, turns, 0)
		})
	}
}
