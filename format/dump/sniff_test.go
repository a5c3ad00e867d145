package dump

import (
	"strings"
	"testing"
)

func TestSniff(t *testing.T) {
	bare := "1001|Muster|Erika|08/12/1962|F\n1002|Beispiel|Otto|01/30/1958|M\n1003|Probe|Anna|11/02/1990|F\n"
	var many strings.Builder
	many.WriteString(head)
	for range 200 {
		many.WriteString(row1)
	}
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"header and rows":     {small, true},
		"cut in a row":        {many.String()[:4096], true},
		"cut early":           {small[:90], true},
		"UTF-16":              {utf16Text(small, false), true},
		"UTF-8 mark":          {"\xEF\xBB\xBF" + small, true},
		"CR":                  {strings.ReplaceAll(small, "\n", "\r"), true},
		"German":              {"PatNr;Nachname;Vorname;Geburtsdatum\n1;Muster;Erika;12.08.1962\n2;Probe;Anna;02.11.1990\n", true},
		"no header":           {bare, true},
		"banner":              {"*** fresh, from a clinic ***\n\n" + small, true},
		"notes of many lines": {"MRN,Last,Notes\n1,a,\"one\ntwo\nthree\"\n2,b,\"four\nfive\"\n3,c,six\n", true},

		"empty":             {"", false},
		"header only":       {head, false},
		"one column":        {"MRN\n1\n2\n3\n", false},
		"prose":             {"Dear patient, we write to you.\nYour visit, on Monday, is confirmed.\nPlease come, thank you.\n", false},
		"prices":            {"id,name,price\n1,gauze,2.50\n2,gloves,3.10\n3,mask,0.40\n", false},
		"quotes":            {"date,open,high,low,last\n2016-01-02,1,2,3,4\n2016-01-03,1,2,3,4\n", false},
		"cities":            {"city,state,zip,population\nBern,BE,3000,140000\nChur,GR,7000,38000\n", false},
		"processes":         {"\"Image Name\",\"PID\",\"Session Name\",\"Session#\",\"Mem Usage\"\n\"a.exe\",\"4\",\"Services\",\"0\",\"8 K\"\n\"b.exe\",\"5\",\"Services\",\"0\",\"8 K\"\n", false},
		"access log":        {"Timestamp,User,Action,MRN,Patient Name\n2016-06-26 14:03,kim,VIEW,1001,Muster\n2016-06-26 14:04,kim,VIEW,1002,Probe\n", false},
		"firewall log":      {"time,srcip,destip,protocol,bytes\n1,10.0.0.1,10.0.0.2,tcp,5\n2,10.0.0.1,10.0.0.2,tcp,5\n", false},
		"system log":        {"Jun 26 14:03:01 host sshd[1]: Failed, port 22\nJun 26 14:03:02 host sshd[1]: Failed, port 22\n", false},
		"HL7":               {"MSH|^~\\&|A|B|C|D\rPID|1||1001||Muster^Erika||19620812|F\r", false},
		"SQL":               {"INSERT INTO p (mrn,last,dob) VALUES (1,'a','1950-01-01'),\n(2,'b','1960-01-01'),\n", false},
		"JSON lines":        {"{\"mrn\":1,\"last\":\"a\",\"dob\":\"1\"}\n{\"mrn\":2,\"last\":\"b\",\"dob\":\"2\"}\n", false},
		"XML":               {"<p mrn=\"1\",last=\"a\"/>\n<p mrn=\"2\",last=\"b\"/>\n", false},
		"binary":            {"\x00\x01\x02MRN,Last,DOB\n\x00\x01,\x02,\x03\n", false},
		"random bytes":      {"\x7fELF\x02\x01\x01\x00,\x00,\n,\x00", false},
		"uneven rows":       {head + row1 + "1\n2,3\n4,5,6\n7,8\n9\n1,2\n3\n4\n5\n6\n7\n", false},
		"Go source":         {"func f(a, b int) {\n\treturn g(a, b)\n}\nfunc g(a, b int) {\n", false},
		"suppliers":         {"Name;Telefon;Ort\nMeier AG;031;Bern\nKunz AG;081;Chur\n", false},
		"rows, no header":   {"1,2,3\n4,5,6\n7,8,9\n", false},
		"two rows, no head": {strings.Join(strings.SplitAfter(bare, "\n")[:2], ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Sniff([]byte(test.text)); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
