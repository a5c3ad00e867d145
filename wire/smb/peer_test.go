package smb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/internal/wiretest"
)

const peer = "../../testdata/peer/"

// TestPeer compares with what other programs say of their own captures: Zeek's logs of its traces, Wireshark's names and
// counts, and the log of the Samba server that answered. Numbers of sessions and files are left out.
func TestPeer(t *testing.T) {
	small := []string{"server 0311", `logon \zeek@ to 214F1A10CF96\214F1A10CF96 6.1.0 guest`, `share \\127.0.0.1\public`}
	for n := 1; n <= 100; n++ {
		size := len(fmt.Sprint(n)) + 1 // each holds its number and a line end
		small = append(small, fmt.Sprintf(`open \\127.0.0.1\public 100-small-files\%d.txt of %d`, n, size), fmt.Sprintf("read 0+%d", size))
	}
	const account = `logon CLINIC\root@RECORDS to RECORDS\RECORDS 6.1.0`
	for _, test := range []struct {
		name string
		only string // files whose names hold this
		want []string
	}{
		{"smb2-readwrite.pcap", "", []string{"open  pythonfile of 16", "read 0+16", "open  pythonfile2 of 0", "write 0+7000", "close",
			"open C0000034  desktop.ini of -1", "open   of -1", "open   of -1", "close", "close", "open   of -1", "close"}},
		{"smb2-delete-on-close.pcap", ".dat", []string{"server 0311", `logon ZEEK-TEST\zeek@TINKYX390 to TINKYX390\TINKYX390 6.1.0`, `share \\127.0.0.1\tmp`,
			`open \\127.0.0.1\tmp test_dir\test_create.dat of 0`, `open C0000034 \\127.0.0.1\tmp test_dir\test_create.dat of -1`,
			`open \\127.0.0.1\tmp test_dir\test_create.dat of 0`, `open C0000034 \\127.0.0.1\tmp test_dir\test_create.dat of -1`}},
		{"smb2-100-small-files.pcap", ".txt", small},
		{"smb2-multiple-pdus.pcap", "", []string{"open  testfile.txt of 12", "close"}},
		{"smb311.pcap", "", []string{"server 0311 signs", `logon \administrator@ to FOO\AD 10.0.14393`, "server 0311 signs seals"}},
		{"smb-smb1-ascii.pcap", "", []string{"server 0001 signs"}},
		{"smb2-access-list-only.pcapng", ".", []string{"server 0311", `logon CLINIC\root@EHRSRV to EHRSRV\EHRSRV 6.1.0 guest`, `share \\127.0.0.1\ehr`}},
		{"smb2-files.pcapng", ".", slices.Concat(
			[]string{"server 0311 signs", account, `share \\127.0.0.1\ehr`,
				`open \\127.0.0.1\ehr appointments.mdb of 126976`, "read 0+126976", `open \\127.0.0.1\ehr Ambulanz-Übersicht.txt of 1280`, "read 0+1280",
				`open \\127.0.0.1\ehr note.txt of 0`, "write 0+1700", `open \\127.0.0.1\ehr note.txt of 1700`, `open C0000034 \\127.0.0.1\ehr absent.txt of -1`},
			[]string{"server 0202 signs", account, `share \\127.0.0.1\ehr`, `open \\127.0.0.1\ehr appointments.mdb of 126976`, "read 100000+26976"},
			[]string{"server 0311 signs", strings.Replace(account, "logon", "logon C000006D", 1)},
			[]string{"server 0311 signs", account, `share C00000CC \\127.0.0.1\absent`},
			looked("0210"), looked("0300"), looked("0302"),
			[]string{"server 0311 signs", account, `share \\127.0.0.1\ehr`, `open \\127.0.0.1\ehr Ambulanz-Übersicht.txt of 1280`, "read 0+1280"},
		)},
		{"smb3-sealed.pcapng", "", []string{"server 0311 signs", account, `share \\127.0.0.1\sealed sealed`, "server 0311 signs seals"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range wiretest.Capture(t, peer+test.name) {
				for _, line := range told(false, c.Turns...) {
					if line = plain(line); !strings.Contains(line, "IPC$") &&
						(test.only == "" || !strings.HasPrefix(line, "open") && line != "close" || strings.Contains(strings.TrimPrefix(line, `open \\127.0.0.1`), test.only)) {
						got = append(got, line)
					}
				}
			}
			if test.name == "smb2-100-small-files.pcap" { // the client went through them in the order of their names
				slices.Sort(got)
				slices.Sort(test.want)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// looked is a client that asks for all that is known of a file: it opens it four times and reads nothing.
func looked(dialect string) []string {
	lines := []string{"server " + dialect + " signs", `logon CLINIC\root@RECORDS to RECORDS\RECORDS 6.1.0`, `share \\127.0.0.1\ehr`}
	return append(lines, slices.Repeat([]string{`open \\127.0.0.1\ehr appointments.mdb of 126976`}, 4)...)
}

// plain takes the numbers and the status of success out of a line of told.
func plain(line string) string {
	parts := strings.SplitN(line, " ", 3)
	switch parts[0] {
	case "close":
		return "close"
	case "read", "write", "lock":
		return parts[0] + " " + parts[2]
	case "open", "logon", "share":
		return parts[0] + " " + strings.TrimPrefix(parts[2], "00000000 ")
	}
	return line
}
