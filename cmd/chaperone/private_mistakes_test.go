package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// mistakes gives marked patients to the commands where they do not belong: evidence that is broken, cut or of another kind, numbers that are
// typed wrongly, and lists with bad rows. What is said of it is searched like everything else.
func (p *private) mistakes() {
	p.Helper()
	files := p.broken()
	for _, path := range files {
		for _, args := range [][]string{{"watch"}, {"watch", "--json"}, {"inspect"}, {"inspect", "--json"}, {"investigate"}, {"investigate", "--json"}} {
			p.whatever("", append(args, path)...)
		}
		p.whatever("", p.ledger("watch", path)...)
		for _, args := range [][]string{ // a file in the place of another
			{"scope", "--names", path}, {"scope", "--party-file", path}, {"digest", "--names", path}, {"scope", "--roster", path, "--out", filepath.Join(p.asked, filepath.Base(path))},
			{"investigate", "--names", path, p.dir + "/offer.txt"}, {"policy", "test", path, "--site", p.at("site.yaml")},
			{"disclosures", "--ledger", path}, {"ledger", "verify", path}, {"ledger", "backup", p.at("copy2"), "--ledger", path}, {"ledger", "restore", path}, {"ledger", "checkpoint", path},
			{"enroll", "xray", "--csr", path, "--out", p.at("xray"), "--authority", p.at("guard/authority")}, {"guard", "--site", path, "--check"}, {"approve", "list", "--site", path}, {"spool", "--site", path},
			{"witness", "key", "--dir", path, "--name", "witness.example"}, {"policy", "replay", "--site", path},
		} {
			p.whatever("", p.ledgered(args)...)
		}
		b, err := os.ReadFile(path)
		p.must(err)
		for _, args := range [][]string{{"watch", "-"}, {"watch", "--follow", "--json", "-"}, {"inspect", "-"}, p.ledger("scope", "--patient")} {
			p.whatever(string(b), args...)
		}
	}
	p.whatever("", append([]string{"investigate"}, files...)...)
	p.typed()
	p.rosters()
}

// ledgered adds which ledger is meant, where nobody says it.
func (p *private) ledgered(args []string) []string {
	for _, arg := range args {
		if arg == "--ledger" || arg == "verify" || arg == "checkpoint" || arg == "enroll" || arg == "guard" || arg == "approve" || arg == "witness" || arg == "test" || arg == "investigate" {
			return args
		}
	}
	return p.ledger(args...)
}

// broken makes files of marked patients that are cut, damaged or what no command takes them for.
func (p *private) broken() (paths []string) {
	p.Helper()
	lan, images, table, log := markedCapture(100), markedImages(100), markedTable(100), markedLog()
	one := markedImage(4).Encode("")
	for name, b := range map[string][]byte{
		"cut.pcap":          lan[:len(lan)/3*2+7],
		"cut images.pcap":   images[:len(images)/3*2+7],
		"holes.pcap":        holes(lan),
		"holes images.pcap": holes(images),
		"head only.pcap":    append(bytes.Clone(lan[:24]), table...),
		"Cut.evtx":          log[:len(log)-1000],
		"Holes.evtx":        holes(log),
		"table.csv":         table,
		"table.yaml":        table,
		"quotes.csv":        bytes.ReplaceAll(table, []byte(","), []byte(`,"`+mark)),
		"lines.yaml":        []byte("cases:\n  - " + mark + ": " + mark + "\n    name: [" + mark + "]\nsite: {" + mark + ": 1}\n" + mark + "\n"),
		"lines.json":        []byte(`{"party": "` + mark + `", "patients": "` + mark + `"}` + "\n" + mark),
		"image.bin":         one,
		"image.dcm":         append(append(make([]byte, 128), "DICM"...), one[:len(one)/2]...),
		"messages.hl7":      clinicMessages(),
		"pem.csr":           []byte("-----BEGIN CERTIFICATE REQUEST-----\n" + mark + mark + "\n-----END CERTIFICATE REQUEST-----\n"),
		"lan.pcap.gz":       zipped(lan, len(lan)/2),
		"table.zip":         archived("patients of "+mark+".csv", table),
		"empty":             nil,
	} {
		paths = append(paths, p.put(filepath.Join("..", "broken", name), b))
	}
	return paths
}

// holes flips bytes here and there.
func holes(b []byte) []byte {
	b = bytes.Clone(b)
	for i := 40; i < len(b); i += 997 {
		b[i] ^= 0xFF
	}
	return b
}

// clinicMessages are HL7 messages as they lie in a file, without frames.
func clinicMessages() []byte {
	var b bytes.Buffer
	for i := range 40 {
		b.WriteString("MSH|^~\\&|REG|CLINIC|EHR|CLINIC|" + mark + "||ADT^A01|" + mark + "|P|2.5\r" + strings.Join(segments(i), "\r") + "\r")
	}
	return b.Bytes()
}

// zipped compresses bytes and leaves the end away.
func zipped(b []byte, end int) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // memory does not fail
	}
	return out.Bytes()[:min(end, out.Len()/2)]
}

func archived(name string, b []byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(b)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // the same
	}
	return out.Bytes()
}

// typed names patients where and how one may by mistake.
func (p *private) typed() {
	p.Helper()
	number := mark + "000017"
	for _, line := range []string{
		number, "hl7 " + mark, "hl7 " + mark + " " + number + "X", "mrn " + mark + " " + number, number + "\n" + number, mark + "\t" + number, "\x00" + number,
		"ssn - " + number, strings.Repeat(mark, 1000), "hl7\t" + mark + " " + mark + "\t" + number + "?", "\xff" + mark,
	} {
		for _, args := range [][]string{{"scope"}, {"disclosures"}, {"disclosures", "--json"}, {"report", "--as", "accounting"}} {
			p.call(statusNot, line+"\n", p.ledger(append(args, "--patient")...)...)
		}
	}
	for _, args := range [][]string{ // where it is not to stand: it is not said again
		{"scope"}, {"disclosures"}, {"report", "--as", "accounting"}, {"digest"}, {"policy", "replay"}, {"ledger", "export"}, {"ledger", "prove"},
		{"policy", "explain"}, {"spool"}, {"spool", "again"}, {"approve", "list"}, {"approve", "end"}, {"approve"}, {"break-glass"}, {"guard"}, {"companion"}, {"witness"},
		{"witness", "key"}, {"enroll", "init"}, {"enroll", "list"}, {"simulate"}, {"version"}, {"ledger"}, {"policy"}, {},
	} {
		p.call(statusNot, "", append(args, number)...)
	}
	for _, args := range [][]string{
		{"scope", "--patient=" + number}, {"disclosures", "--patient=" + number}, {"report", "--as", "accounting", "--patient=" + number},
		{"scope", "--patient-id", number}, {"disclosures", "--patient-id", number}, {"report", "--as", "accounting", "--patient-id", number}, {"report", "--as", number},
		{"scope", "--since", number}, {"disclosures", "--until", number}, {"digest", "--since", number}, {"policy", "replay", "--since", number}, {"scope", "--protocol", number},
		{"watch", "--since", number, "x"}, {"watch", "--host", number, "x"}, {"watch", "--protocol", number, "x"}, {"watch", "--fail-on", number, "x"},
		{"ledger", "purge", "--day", number}, {"ledger", "purge", "--retain", number}, {"approve", "x", "--reason", "a try", "--for", number},
		{"approve", "x", "--reason", number, "--ledger", p.at("l")}, {"break-glass", "x", "--reason", number, "--ledger", p.at("l")}, {"enroll", "x", "--life", number}, {"enroll", "x", "--address", number},
		{"scope", "--" + number}, {"disclosures", "--json=" + number}, {"approve", "x", "--patients", number}, {"simulate", "--seed", number}, {"guard", "--drain", number},
	} {
		p.call(statusNot, "", args...)
	}
}

// rosters are lists of patients that are not as they should be.
func (p *private) rosters() {
	p.Helper()
	good := string(markedTable(200))
	for name, text := range map[string]string{
		"rows":       strings.ReplaceAll(good, mark+"INE,", mark+"INE,"+mark+",\""),
		"dates":      strings.ReplaceAll(good, "1950-01-", mark+"-"),
		"columns":    strings.Replace(good, "MRN,Last Name,First Name,DOB", mark+","+mark+","+mark+","+mark, 1),
		"no heading": good[strings.IndexByte(good, '\n')+1:],
		"states":     strings.ReplaceAll(good, ",OK,", ","+mark+","),
		"twice":      good + strings.ReplaceAll(good, "SON", "SEN"),
		"UTF-16":     "\xff\xfe" + wideText(good),
		"hl7":        string(clinicMessages()),
		"fhir":       `{"resourceType":"Patient","id":"` + mark + `","identifier":[{"system":"` + mark + `","value":"` + mark + `000017"}],"name":[{"family":"` + mark + `"}],"birthDate":"` + mark + "\"}\n{\"resourceType\":\"" + mark + "\"}\n" + mark,
		"json":       "[" + mark + "]", "xml": "<" + mark + ">", "cut": good[:len(good)/2],
	} {
		list := filepath.Join(p.asked, name+".list")
		p.must(os.WriteFile(list, []byte(text), 0o600))
		for _, format := range []string{"--detail", "--json"} {
			p.whatever("", p.ledger("scope", format, "--authority", mark, "--roster", list, "--out", filepath.Join(p.asked, name+format))...)
		}
	}
}

func wideText(text string) string {
	little, _ := wide16(text)
	return string(little)
}
