package clinicsim

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Value types of BinXML (MS-EVEN6 section 2.2.12).
const (
	typeNull     = 0x00
	typeString   = 0x01
	typeUint8    = 0x04
	typeUint16   = 0x06
	typeUint32   = 0x08
	typeUint64   = 0x0A
	typeGUID     = 0x0F
	typeFiletime = 0x11
	typeSID      = 0x13
	typeHex32    = 0x14
	typeHex64    = 0x15
	typeXML      = 0x21
)

// winValue is the value of a substitution.
type winValue struct {
	kind byte
	data []byte
}

// event writes a fragment: the template of the System part, whose last value is a fragment with the event's own data.
func (c *chunk) event(e WinEvent, id uint64) {
	le := binary.LittleEndian
	fields := make([]winValue, len(e.Data))
	key := strings.Builder{} // what makes the template
	fmt.Fprintf(&key, "%q", e.UserData)
	for i, f := range e.Data {
		fields[i] = winText(f.Value)
		fmt.Fprintf(&key, "%q%d", f.Name, fields[i].kind)
	}
	guid, user := winValue{}, winValue{}
	if e.ProviderGUID != "" {
		guid = winText(e.ProviderGUID)
	}
	if e.User != "" {
		user = winText(e.User)
	}
	values := []winValue{
		0x00: {typeUint8, []byte{e.Level}},
		0x01: {typeUint8, []byte{e.Opcode}},
		0x02: {typeUint16, le.AppendUint16(nil, e.Task)},
		0x03: {typeUint16, le.AppendUint16(nil, e.ID)},
		0x04: {}, // EventID/@Qualifiers
		0x05: {typeHex64, le.AppendUint64(nil, e.Keywords)},
		0x06: {typeFiletime, le.AppendUint64(nil, filetime(e.Time))},
		0x07: {}, // Correlation/@ActivityID
		0x08: {typeUint32, le.AppendUint32(nil, e.Process)},
		0x09: {typeUint32, le.AppendUint32(nil, e.Thread)},
		0x0A: {typeUint64, le.AppendUint64(nil, id)},
		0x0B: {typeUint8, []byte{e.Version}},
		0x0C: user,
		0x0D: {}, // Correlation/@RelatedActivityID
		0x0E: {typeString, utf16le(e.Provider)},
		0x0F: guid,
		0x10: {typeString, utf16le(e.Channel)},
		0x11: {kind: typeXML}, // written in place, so that its offsets are those of the chunk
	}
	c.instance("System "+e.Computer, func() { c.system(e.Computer) }, values, func() {
		c.instance("Data "+key.String(), func() { c.data(e, fields) }, fields, nil)
	})
}

// instance writes a fragment with a template instance. The definition stands in the first instance of a chunk. last,
// when it is given, writes the data of the last value.
func (c *chunk) instance(key string, define func(), values []winValue, last func()) {
	le := binary.LittleEndian
	digest := fnv.New128a()
	_, _ = digest.Write([]byte(key)) // it takes everything
	guid := digest.Sum(nil)
	id := le.Uint32(guid)
	c.b = append(c.b, 0x0F, 1, 1, 0, 0x0C, 1) // fragment header, template instance
	c.b = le.AppendUint32(c.b, id)
	at, known := c.templates[key]
	if !known {
		at = uint32(len(c.b) + 4)
		c.templates[key] = at
	}
	c.b = le.AppendUint32(c.b, at)
	if !known {
		head := c.b[chunkTemplates+4*(id%32):]
		c.b = le.AppendUint32(c.b, le.Uint32(head))
		le.PutUint32(head, at)
		c.b = append(c.b, guid...)
		c.sized(func() {
			c.b = append(c.b, 0x0F, 1, 1, 0)
			define()
			c.b = append(c.b, 0)
		})
	}
	c.b = le.AppendUint32(c.b, uint32(len(values)))
	descriptors := len(c.b)
	for _, v := range values {
		c.b = le.AppendUint16(c.b, uint16(len(v.data)))
		c.b = append(c.b, v.kind, 0)
	}
	for _, v := range values {
		c.b = append(c.b, v.data...)
	}
	if last != nil {
		from := len(c.b)
		last()
		if len(c.b) <= chunkSize { // else the record is taken back
			le.PutUint16(c.b[descriptors+4*(len(values)-1):], uint16(len(c.b)-from))
		}
	}
	c.b = append(c.b, 0) // end of the fragment
}

// sized writes a length and then what it is the length of.
func (c *chunk) sized(content func()) {
	at := len(c.b)
	c.b = binary.LittleEndian.AppendUint32(c.b, 0)
	content()
	binary.LittleEndian.PutUint32(c.b[at:], uint32(len(c.b)-at-4))
}

// name writes the offset of a name, and the name after it when the chunk does not have it yet.
func (c *chunk) name(s string) {
	le := binary.LittleEndian
	at, known := c.names[s]
	if known {
		c.b = le.AppendUint32(c.b, at)
		return
	}
	at = uint32(len(c.b) + 4)
	c.names[s] = at
	c.b = le.AppendUint32(c.b, at)
	units := utf16.Encode([]rune(s))
	hash := uint32(0)
	for _, u := range units {
		hash = hash*65599 + uint32(u)
	}
	head := c.b[chunkStrings+4*(hash%64):]
	c.b = le.AppendUint32(c.b, le.Uint32(head))
	le.PutUint32(head, at)
	c.b = le.AppendUint16(c.b, uint16(hash))
	c.b = le.AppendUint16(c.b, uint16(len(units)))
	c.b = append(c.b, utf16le(s)...)
	c.b = append(c.b, 0, 0)
}

// attribute is a name with a text, or with a substitution.
type attribute struct {
	name, text string
	number     int // of the substitution, when there is no text
	kind       byte
}

// element writes an element; nil content makes it an empty one. It depends on nothing.
func (c *chunk) element(name string, attributes []attribute, content func()) {
	token := byte(0x01)
	if len(attributes) > 0 {
		token |= 0x40
	}
	c.b = append(c.b, token, 0xFF, 0xFF)
	c.sized(func() {
		c.name(name)
		if len(attributes) > 0 {
			c.sized(func() {
				for i, a := range attributes {
					token := byte(0x06)
					if i < len(attributes)-1 {
						token |= 0x40
					}
					c.b = append(c.b, token)
					c.name(a.name)
					if a.text != "" {
						c.text(a.text)
					} else {
						c.substitution(a.number, a.kind, true)
					}
				}
			})
		}
		if content == nil {
			c.b = append(c.b, 0x03)
			return
		}
		c.b = append(c.b, 0x02)
		content()
		c.b = append(c.b, 0x04)
	})
}

func (c *chunk) text(s string) {
	data := utf16le(s)
	c.b = append(c.b, 0x05, typeString)
	c.b = binary.LittleEndian.AppendUint16(c.b, uint16(len(data)/2))
	c.b = append(c.b, data...)
}

// substitution stands for a value; an optional one takes its element or attribute with it when the value is null.
func (c *chunk) substitution(number int, kind byte, optional bool) {
	token := byte(0x0D)
	if optional {
		token = 0x0E
	}
	c.b = append(c.b, token, byte(number), byte(number>>8), kind)
}

// system writes the definition around all events of a computer.
func (c *chunk) system(computer string) {
	value := func(number int, kind byte) func() { return func() { c.substitution(number, kind, true) } }
	c.element("Event", []attribute{{name: "xmlns", text: "http://schemas.microsoft.com/win/2004/08/events/event"}}, func() {
		c.element("System", nil, func() {
			c.element("Provider", []attribute{{name: "Name", number: 0x0E, kind: typeString}, {name: "Guid", number: 0x0F, kind: typeGUID}}, nil)
			c.element("EventID", []attribute{{name: "Qualifiers", number: 0x04, kind: typeUint16}}, value(0x03, typeUint16))
			c.element("Version", nil, value(0x0B, typeUint8))
			c.element("Level", nil, value(0x00, typeUint8))
			c.element("Task", nil, value(0x02, typeUint16))
			c.element("Opcode", nil, value(0x01, typeUint8))
			c.element("Keywords", nil, value(0x05, typeHex64))
			c.element("TimeCreated", []attribute{{name: "SystemTime", number: 0x06, kind: typeFiletime}}, nil)
			c.element("EventRecordID", nil, value(0x0A, typeUint64))
			c.element("Correlation", []attribute{{name: "ActivityID", number: 0x07, kind: typeGUID}, {name: "RelatedActivityID", number: 0x0D, kind: typeGUID}}, nil)
			c.element("Execution", []attribute{{name: "ProcessID", number: 0x08, kind: typeUint32}, {name: "ThreadID", number: 0x09, kind: typeUint32}}, nil)
			c.element("Channel", nil, value(0x10, typeString))
			c.element("Computer", nil, func() { c.text(computer) })
			c.element("Security", []attribute{{name: "UserID", number: 0x0C, kind: typeSID}}, nil)
		})
		c.substitution(0x11, typeXML, true)
	})
}

// data writes the definition of an event's own data.
func (c *chunk) data(e WinEvent, fields []winValue) {
	if e.UserData != "" {
		c.element("UserData", nil, func() {
			c.element(e.UserData, []attribute{{name: "xmlns", text: "Event_NS"}}, func() {
				for i, f := range e.Data {
					c.element(f.Name, nil, func() { c.substitution(i, fields[i].kind, false) })
				}
			})
		})
		return
	}
	c.element("EventData", nil, func() {
		for i, f := range e.Data {
			var name []attribute
			if f.Name != "" {
				name = []attribute{{name: "Name", text: f.Name}}
			}
			c.element("Data", name, func() { c.substitution(i, fields[i].kind, false) })
		}
	})
}

// winText gives a text the type it would have in Windows, if that type is shown as exactly this text.
func winText(s string) winValue {
	le := binary.LittleEndian
	if n, err := strconv.ParseUint(s, 10, 32); err == nil && strconv.FormatUint(n, 10) == s {
		return winValue{typeUint32, le.AppendUint32(nil, uint32(n))}
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64); err == nil && "0x"+strconv.FormatUint(n, 16) == s {
		if len(s) == 10 { // a status
			return winValue{typeHex32, le.AppendUint32(nil, uint32(n))}
		}
		return winValue{typeHex64, le.AppendUint64(nil, n)}
	}
	if sid, ok := winSID(s); ok {
		return winValue{typeSID, sid}
	}
	if b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")); err == nil && len(b) == 16 {
		if strings.ToUpper(fmt.Sprintf("{%x-%x-%x-%x-%x}", b[:4], b[4:6], b[6:8], b[8:10], b[10:])) == s {
			for _, swap := range [][2]int{{0, 3}, {1, 2}, {4, 5}, {6, 7}} { // the first three parts are little endian
				b[swap[0]], b[swap[1]] = b[swap[1]], b[swap[0]]
			}
			return winValue{typeGUID, b}
		}
	}
	return winValue{typeString, utf16le(s)}
}

// winSID reads S-1-5-21-… (MS-DTYP section 2.4.2).
func winSID(s string) ([]byte, bool) {
	parts := strings.Split(s, "-")
	if len(parts) < 4 || len(parts) > 18 || parts[0] != "S" || parts[1] != "1" {
		return nil, false
	}
	b := []byte{1, byte(len(parts) - 3), 0, 0, 0, 0, 0, 0}
	for i, part := range parts[2:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return nil, false
		}
		if i == 0 {
			binary.BigEndian.PutUint32(b[4:], uint32(n))
		} else {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
	}
	return b, true
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
