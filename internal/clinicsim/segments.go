package clinicsim

import (
	"encoding/base64"
	"fmt"
)

func (l *link) evn(trigger string) string {
	return fields("EVN", trigger, l.day.clock(l.flow.now), "", "", "CLERK"+fmt.Sprint(1+l.rand.IntN(4)))
}

func (l *link) pv1(class string) string {
	return fmt.Sprintf("PV1|1|%s|WARD%d^%d^1^CLINIC||||%04d^Physician^Invented", class, 1+l.rand.IntN(5), 100+l.rand.IntN(30), 7000+l.rand.IntN(9))
}

// family gives segments with other people: a relative, a guarantor, an insured. They are nobody's patients.
func (l *link) family() []string {
	r := l.rand
	name := pick(r, familyNames...) + "^" + pick(r, womensNames...)
	var list []string
	if one(r, 2) {
		list = append(list, "NK1|1|"+name+"|SPO^Spouse|4 Invented Way^^Nowhere^ZZ^90001|(555)0100-777")
	}
	if one(r, 3) {
		list = append(list, fmt.Sprintf("GT1|1|G%06d^^^CLINIC|%s||4 Invented Way^^Nowhere^ZZ^90001||||19500101|F", r.IntN(1e6), name))
	}
	if one(r, 3) {
		list = append(list, fmt.Sprintf("IN1|1|BASIC|C%04d^^^PAYERS|Invented Mutual||||||||||||%s|SPO|19500101||||||||||||||||||P%07d", r.IntN(1e4), name, r.IntN(1e7)))
	}
	return list
}

// results gives an order with observations and, now and then, a document.
func (l *link) results(group int) []string {
	r := l.rand
	list := []string{
		fmt.Sprintf("ORC|RE|O%06d|F%06d", r.IntN(1e6), r.IntN(1e6)),
		fmt.Sprintf("OBR|%d|O%06d|F%06d|24331-1^Lipid panel^LN|||%s", group, r.IntN(1e6), r.IntN(1e6), l.day.clock(l.flow.now)),
	}
	tests := []string{"2093-3^Cholesterol^LN", "2571-8^Triglyceride^LN", "718-7^Hemoglobin^LN", "2345-7^Glucose^LN", "6690-2^Leukocytes^LN"}
	for i := range 1 + r.IntN(4) {
		list = append(list, fmt.Sprintf("OBX|%d|NM|%s||%d.%d|mg/dL|10-200|N|||F", i+1, pick(r, tests...), 20+r.IntN(180), r.IntN(10)))
	}
	switch r.IntN(6) {
	case 0:
		list = append(list, `OBX|9|TX|8251-1^Comment^LN||Befund unauffällig, 37,2 °C, 12 µg; R\T\D, see \.br\ \H\above\N\||||||F`)
	case 1:
		list = append(list, "OBX|9|TX|8251-1^Comment^LN||Repeat in 2 weeks. Zpráva přiložena.||||||F")
	case 2:
		list = append(list, "OBX|9|FT|8251-1^Comment^LN||PID-3 was checked; MSH and PID are words, too.||||||F", "NTE|1||PID is not a segment here")
	case 3:
		if one(r, 4) {
			document := make([]byte, 3000)
			for i := range document {
				document[i] = byte(r.Uint32())
			}
			list = append(list, "OBX|9|ED|11502-2^Report^LN||^application^pdf^Base64^"+base64.StdEncoding.EncodeToString(document)+"||||||F")
		}
	}
	return list
}
