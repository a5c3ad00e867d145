package clinicsim

import "math/rand/v2"

// Sample is one conversation for tests of a decoder, and what is in it.
type Sample struct {
	Conversation
	Messages    int        // HL7 messages without ACKs, or DIMSE requests
	Acks        int        // HL7
	Objects     int        // C-STORE data sets
	Disclosures [][]Record // the records of each message that bears any, in the order in which they begin
}

func (s *Sample) discloses(list ...Record) {
	s.Messages++
	if len(list) > 0 {
		s.Disclosures = append(s.Disclosures, list)
	}
}

// MLLPSample gives both directions of an MLLP connection: admissions, a merge, results of two patients, a batch, two
// messages in one write, an error, and a query. Every message has its answer.
func MLLPSample(seed uint64) *Sample {
	r := rand.New(rand.NewPCG(seed, 1))
	people := population(r, 16)
	w := hl7Writer{r}
	s := &Sample{}
	at := Header{From: "REG|CLINIC", To: "EHR|CLINIC", Time: "20250303080000"}
	message := func(kind, control string, segments ...string) (Header, []byte) {
		h := at
		h.Type, h.Control, h.Charset = kind, control, widest(segments...)
		return h, Message(h, segments...)
	}
	reply := func(h Header, code string) []byte {
		s.Acks++
		return Frame(Ack(h, code, "E"+h.Control))
	}
	admit := func(control, code string, p *Person, f face) {
		segment, record := w.pid(1, p, f)
		h, b := message("ADT^A01^ADT_A01", control, "EVN|A01|20250303080000", segment, "NK1|1|Kestrelyn^Fenja|SPO", "PV1|1|O")
		s.Send(FromClient, Frame(b))
		s.discloses(record)
		s.Send(FromServer, reply(h, code))
	}
	admit("1", "AA", people[0], allNumbers)
	admit("2", "AE", people[1], allNumbers)
	admit("2", "AA", people[4], nameOnly)
	admit("3", "AR", people[5], nobody)

	p := people[8]
	p.Former = []Number{{Value: "D0000001", Namespace: "CLINIC", Type: "MR"}}
	segment, record := w.pid(1, p, allNumbers)
	h, b := message("ADT^A40^ADT_A39", "4", "EVN|A40|20250303080000", segment, "MRG|"+p.Former[0].cx(escape))
	s.Send(FromClient, Frame(b))
	s.discloses(record)
	s.Send(FromServer, reply(h, "AA"))

	first, one := w.pid(1, people[2], firstNumber)
	second, two := w.pid(2, people[3], lastNumber)
	h, b = message("ORU^R01^ORU_R01", "5", first, "OBR|1|||24331-1^Lipid panel^LN", "OBX|1|TX|8251-1^Comment^LN||37,2 °C||||||F",
		second, "OBR|1|||24331-1^Lipid panel^LN", "OBX|1|NM|2093-3^Cholesterol^LN||180||||||F")
	s.discloses(one, two)
	third, three := w.pid(1, people[6], ssnOnly)
	h2, b2 := message("ORU^R01^ORU_R01", "6", third, "OBR|1|||24331-1^Lipid panel^LN")
	s.discloses(three)
	s.Send(FromClient, append(Frame(b), Frame(b2)...))
	s.Send(FromServer, append(reply(h, "AA"), reply(h2, "AA")...))

	h, b = message("ORU^R01^ORU_R01", "7", first, "OBR|1|||24331-1^Lipid panel^LN")
	h2, b2 = message("ORU^R01^ORU_R01", "8", second, "OBR|1|||24331-1^Lipid panel^LN")
	s.Send(FromClient, Frame(Batch(at, b, b2)))
	s.discloses(one)
	s.discloses(two)
	s.Send(FromServer, append(reply(h, "AA"), reply(h2, "AA")...))

	qpd := "QPD|Q22^Find Candidates^HL7|T1|@PID.5.1^K*"
	_, b = message("QBP^Q22^QBP_Q21", "9", qpd, "RCP|I")
	s.Send(FromClient, Frame(b))
	s.discloses()
	h, _ = message("RSP^K22^RSP_K21", "R9")
	h.From, h.To, h.Charset = h.To, h.From, widest(first, second)
	s.Send(FromServer, Frame(Message(h, "MSA|AA|9", "QAK|T1|OK", qpd, first, second)))
	s.discloses(one, two)
	return s
}

// DICOMSample gives both directions of one association with C-ECHO, C-STORE in two transfer syntaxes, C-FIND with and
// without matches and with a C-CANCEL, C-MOVE, and C-GET with the C-STORE it causes. Its images are about so many
// bytes. The C-MOVE's answers count images that pass elsewhere; Disclosures does not have them.
func DICOMSample(seed uint64, pixels int) *Sample {
	r := rand.New(rand.NewPCG(seed, 2))
	d := &day{people: population(r, 16), Options: Options{ImagesPerStudy: 3}}
	s := &Sample{}
	ct, mr := d.study(r, d.people[0]), d.study(r, d.people[8])
	ct.class, ct.modality, ct.date = CTImage, "CT", "20250303080000"
	mr.class, mr.modality, mr.date = MRImage, "MR", "20250303090000"
	get := accepted(MRImage, ImplicitLE)
	get.SCPRole = true
	a := &Association{
		To: s, Calling: "VIEWER1", Called: "PACS", Rand: r, Rare: seed%2 == 1, MaxPDU: [2]int{16384, pick(r, 4096, 16384, 0)},
		Contexts: []Context{accepted(Verification, ImplicitLE), accepted(CTImage, pick(r, ExplicitLE, JPEGLossless)), get, accepted(StudyRootFind, ExplicitLE),
			accepted(StudyRootMove, ImplicitLE), accepted(StudyRootGet, ImplicitLE),
			{Abstract: PatientRootFind, Offered: []string{ImplicitLE}, Reason: 3}},
	}
	for i := range a.Contexts {
		a.Contexts[i].ID = byte(2*i + 1)
	}
	a.Open()
	a.Echo()
	s.Messages++
	for i := range ct.images {
		_, ts := a.Context(CTImage)
		a.Store(FromClient, ct.object(i, pixels, ts), nil, pick[uint16](r, Success, 0xB000))
		s.discloses(ct.record())
		s.Objects++
	}
	a.Find(StudyRootFind, keys("STUDY", "NOBODY", ""), nil)
	s.Messages++
	one, first := ct.match(true, true)
	two, second := mr.match(true, false)
	three, third := ct.match(false, false)
	a.Find(StudyRootFind, keys("STUDY", "", ""), []DataSet{one, two, three})
	s.discloses(first, second, third)
	id := a.FindRequest(StudyRootFind, keys("STUDY", "", ""))
	a.FindAnswers(StudyRootFind, id, []DataSet{one})
	a.Cancel(StudyRootFind, id)
	a.FindEnd(StudyRootFind, id, Canceled)
	s.discloses(first)
	id = a.MoveRequest(StudyRootMove, "TEACHING", keys("STUDY", "", ct.uid))
	a.MoveAnswer(StudyRootMove, id, Pending, Counts{Remaining: 1, Completed: 2})
	a.MoveAnswer(StudyRootMove, id, Success, Counts{Completed: 3})
	s.Messages++
	id = a.GetRequest(StudyRootGet, keys("STUDY", mr.person.Imaging, mr.uid))
	s.Messages++
	for i := range mr.images {
		a.Store(FromServer, mr.object(i, pixels, ImplicitLE), nil, Success)
		s.discloses(mr.record())
		s.Objects++
	}
	a.GetAnswer(StudyRootGet, id, Success, Counts{Completed: mr.images})
	a.Release()
	return s
}

// Image makes one invented CT image with about so many bytes of pixels, for tests that write an Association of their own.
func Image(seed uint64, pixels int, transferSyntax string) (Object, Record) {
	r := rand.New(rand.NewPCG(seed, 3))
	d := &day{Options: Options{ImagesPerStudy: 1}}
	s := d.study(r, population(r, 16)[8])
	s.class, s.modality, s.date = CTImage, "CT", "20250303080000"
	return s.object(0, pixels, transferSyntax), s.record()
}

// PID makes one invented PID segment with all numbers of its patient, in ASCII, for tests that write messages of their own.
func PID(seed uint64) (string, Record) {
	r := rand.New(rand.NewPCG(seed, 4))
	p := population(r, 16)[0]
	p.Family, p.Given, p.Middle = "Farrowind", "Hedda", ""
	w := hl7Writer{r}
	return w.pid(1, p, allNumbers)
}
