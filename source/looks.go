package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const accepted = "give files written by tcpdump, dumpcap or Wireshark (pcap or pcapng, also gzipped)"

// notCapture says what a file is instead of a capture.
type notCapture struct{ text string }

func (n notCapture) Error() string { return n.text }

var errEmpty = notCapture{"the file is empty; check that the recorder was allowed to capture, and when it was stopped"}

// signatures are the beginnings of files that people take for captures.
var signatures = []struct{ begins, looks string }{
	{"PK\x03\x04", "a zip archive: unpack it first"},
	{"\x28\xB5\x2F\xFD", "compressed with zstd: unpack it first"},
	{"\xFD7zXZ\x00", "compressed with xz: unpack it first"},
	{"7z\xBC\xAF\x27\x1C", "a 7-Zip archive: unpack it first"},
	{"BZh", "compressed with bzip2: unpack it first"},
	{"\x04\x22\x4D\x18", "compressed with lz4: unpack it first"},
	{"\x1F\x8B", "gzip inside gzip: unpack it first"},
	{"snoop\x00\x00\x00", "a Solaris snoop capture: convert it with editcap"},
	{"GMBU", "a Microsoft Network Monitor capture: convert it with editcap"},
	{"RTSS", "a Microsoft Network Monitor capture: convert it with editcap"},
	{"XCP\x00", "a NetXRay capture: convert it with editcap"},
	{"TRSNIFF data", "a Sniffer capture: convert it with editcap"},
	{"\x34\xCD\xB2\xA1", "a capture in an old variant of pcap: convert it with editcap"},
	{"\xA1\xB2\xCD\x34", "a capture in an old variant of pcap: convert it with editcap"},
	{"ElfFile\x00", "a Windows event log"},
	{"%PDF-", "a PDF"},
	{"SQLite format 3\x00", "a SQLite database"},
}

// identify finds out the format by the content. Like need, it may be asked again after io.EOF, or a *flaw that is a
// cut, when the file has grown.
func identify(w *window) (format string, _ records, _ error) {
	for zipped := false; ; zipped = true {
		head, err := w.need(12)
		switch {
		case err != nil && err != io.EOF:
			return "", nil, err
		case len(head) >= 2 && head[0] == 0x1F && head[1] == 0x8B && !zipped: // RFC 1952 2.3.1
			if err := w.unzip(); err != nil {
				return "", nil, err
			}
			continue
		case len(head) < 4:
			return "", nil, io.EOF
		}
		magic := binary.LittleEndian.Uint32(head)
		if _, ok := pcapMagics[magic]; ok {
			r, err := newPcap(w)
			if err != nil {
				return "pcap", nil, err
			}
			return "pcap", r, nil
		}
		if magic != blockSection {
			return "", nil, looks(head)
		}
		if len(head) < 12 {
			return "pcapng", nil, cutIn("header")
		}
		r := &pcapng{}
		if err := r.byteOrder(head[8:]); err != nil {
			return "", nil, notCapture{"not a capture; " + accepted}
		}
		return "pcapng", r, nil
	}
}

// looks says what these first bytes look like, without telling what is in them.
func looks(head []byte) error {
	if len(head) == 0 {
		return errEmpty
	}
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.begins)) {
			return notCapture{fmt.Sprintf("not a capture but %s; %s", s.looks, accepted)}
		}
	}
	if isText(head) {
		return notCapture{"not a capture but text; " + accepted}
	}
	return notCapture{"not a capture; " + accepted}
}

// Describe says what a file looks like by its first bytes, "" when nothing is known of it.
func Describe(head []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.begins)) {
			return s.looks
		}
	}
	return ""
}

// Sniff reports whether a file begins as a capture that is not compressed.
func Sniff(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	magic := binary.LittleEndian.Uint32(head)
	_, ok := pcapMagics[magic]
	return ok || magic == blockSection
}

func isText(head []byte) bool {
	for b := head; len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && utf8.FullRune(b) || r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != 0x0B {
			return false
		}
		b = b[n:]
	}
	return true
}

// isCapture reports whether an error of identify is about a capture that is damaged, rather than about another file.
func isCapture(err error) bool {
	var other notCapture
	return !errors.As(err, &other)
}
