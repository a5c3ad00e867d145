package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"chaperone/format"
)

// crafted is a chunk that is written token by token.
type crafted struct{ b []byte }

func newCrafted() *crafted {
	c := &crafted{b: make([]byte, chunkHeader)}
	copy(c.b, chunkMark)
	binary.LittleEndian.PutUint32(c.b[40:], 128)
	return c
}

// record writes a record around what content writes.
func (c *crafted) record(content func()) {
	le := binary.LittleEndian
	at := len(c.b)
	c.b = append(c.b, recordMark...)
	c.b = append(c.b, make([]byte, recordHead-4)...)
	le.PutUint64(c.b[at+8:], 1)
	content()
	size := uint32(len(c.b) + 4 - at)
	c.b = le.AppendUint32(c.b, size)
	le.PutUint32(c.b[at+4:], size)
}

// chunk gives the 64 KiB with right checksums.
func (c *crafted) chunk() []byte {
	le := binary.LittleEndian
	b := append(slices.Clone(c.b), make([]byte, chunkSize-len(c.b))...)
	le.PutUint64(b[8:], 1)
	le.PutUint64(b[16:], 1)
	le.PutUint32(b[48:], uint32(len(c.b)))
	sum(b)
	return b
}

func units(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func (c *crafted) raw(b ...byte) { c.b = append(c.b, b...) }
func (c *crafted) u32(n int)     { c.b = binary.LittleEndian.AppendUint32(c.b, uint32(n)) }
func (c *crafted) counted(s string) {
	c.raw(byte(len(units(s))/2), byte(len(units(s))/2>>8))
	c.raw(units(s)...)
}

// name writes a name, always in place.
func (c *crafted) name(s string) {
	hash := uint32(0)
	for _, u := range utf16.Encode([]rune(s)) {
		hash = hash*65599 + uint32(u)
	}
	c.u32(len(c.b) + 4)
	c.u32(0)
	c.raw(byte(hash), byte(hash>>8))
	c.counted(s)
	c.raw(0, 0)
}

// element writes an element with a dependency id, and without attributes.
func (c *crafted) element(name string, content func()) {
	c.raw(tokenOpen, 0xFF, 0xFF)
	c.u32(0) // the size is not needed
	c.name(name)
	c.raw(tokenCloseStart)
	content()
	c.raw(tokenEndElement)
}

func (c *crafted) text(s string) {
	c.raw(tokenValue, kindString)
	c.counted(s)
}

// event writes an event whose data is one element.
func (c *crafted) event(content func()) {
	c.raw(tokenFragment, 1, 1, 0)
	c.element("Event", func() {
		c.element("System", func() { c.element("EventID", func() { c.text("4711") }) })
		c.element("EventData", func() { c.element("Data", content) })
	})
	c.raw(tokenEnd)
}

// template writes an instance with its definition in place.
func (c *crafted) template(definition func(), values ...value) {
	c.raw(tokenTemplate, 1)
	c.u32(77)
	at := len(c.b) + 4
	c.u32(at)
	c.u32(0)
	c.u32(77)
	c.u32(0)
	c.u32(0)
	c.u32(0)
	c.u32(0)
	definition()
	c.raw(tokenEnd)
	binary.LittleEndian.PutUint32(c.b[at+20:], uint32(len(c.b)-at-definitionHead))
	c.u32(len(values))
	for _, v := range values {
		c.raw(byte(v.end), byte(v.end>>8), v.kind, 0)
	}
}

// TestTokens writes tokens that are rare in real logs.
func TestTokens(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(c *crafted)
		want  string // the fields
	}{
		{"text", func(c *crafted) { c.event(func() { c.text("one"); c.text(" two") }) }, "Data=one two"},
		{"CDATA", func(c *crafted) { c.event(func() { c.raw(tokenCDATA); c.counted("<&>") }) }, "Data=<&>"},
		{"character", func(c *crafted) { c.event(func() { c.raw(tokenCharRef, 0xE4, 0) }) }, "Data=ä"},
		{"entities", func(c *crafted) {
			c.event(func() {
				for _, name := range []string{"lt", "gt", "amp", "quot", "apos", "uuml"} {
					c.raw(tokenEntityRef)
					c.name(name)
				}
			})
		}, `Data=<>&"'&uuml;`},
		{"processing instruction", func(c *crafted) {
			c.event(func() { c.raw(tokenPITarget); c.name("php"); c.raw(tokenPIData); c.counted("exit"); c.text("x") })
		}, "Data=x"},
		{"array of strings", func(c *crafted) {
			c.raw(tokenFragment, 1, 1, 0)
			items := units("a\x00\x00c\x00")
			c.template(func() { c.event(func() { c.raw(tokenSubstitution, 0, 0, kindString) }) }, value{kind: kindString | kindArray, end: len(items)})
			c.raw(items...)
		}, "Data=a Data= Data=c"},
		{"array of numbers", func(c *crafted) {
			c.raw(tokenFragment, 1, 1, 0)
			c.template(func() { c.event(func() { c.raw(tokenSubstitution, 0, 0, kindUint16) }) }, value{kind: kindUint16 | kindArray, end: 4})
			c.raw(1, 0, 2, 0)
		}, "Data=1 Data=2"},
		{"optional and null", func(c *crafted) {
			c.raw(tokenFragment, 1, 1, 0)
			c.template(func() { c.event(func() { c.raw(tokenOptional, 0, 0, kindString) }) }, value{})
		}, ""},
		{"null", func(c *crafted) {
			c.raw(tokenFragment, 1, 1, 0)
			c.template(func() { c.event(func() { c.raw(tokenSubstitution, 0, 0, kindString) }) }, value{})
		}, "Data="},
		{"a value that is an element", func(c *crafted) {
			c.raw(tokenFragment, 1, 1, 0)
			inner := &crafted{}
			write := func() {
				inner.raw(tokenFragment, 1, 1, 0, tokenOpen)
				inner.u32(0)
				inner.name("Leaf")
				inner.raw(tokenCloseStart)
				inner.text("within")
				inner.raw(tokenEndElement, tokenEnd)
			}
			write()
			n := len(inner.b)
			c.template(func() { c.event(func() { c.raw(tokenSubstitution, 0, 0, kindXML) }) }, value{kind: kindXML, end: n})
			inner.b = slices.Clone(c.b) // its name is found by its place in the chunk
			write()
			c.b = inner.b
		}, "Leaf=within"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCrafted()
			c.record(func() { test.write(c) })
			records, stats, err := readAll(bytes.NewReader(c.chunk()))
			if len(records) != 1 || stats.Lost > 0 || err != nil || records[0].EventID != 4711 {
				t.Fatalf("got %d records, %+v and %v", len(records), stats, err)
			}
			var got []string
			for _, f := range records[0].Data {
				got = append(got, f.Name+"="+f.Value)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestHostile writes records that ask for more than there is.
func TestHostile(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(c *crafted)
		want  error
	}{
		{"template that holds itself", func(c *crafted) {
			at := len(c.b)
			c.template(func() { c.raw(c.b[at : at+10]...); c.u32(0) })
		}, format.ErrLimit},
		{"substitutions that double and double", func(c *crafted) {
			// Each template puts in its value 60 times, which is a fragment with the next template.
			var level func(n int)
			level = func(n int) {
				if n == 0 {
					c.text("x")
					return
				}
				c.template(func() { c.raw(bytes.Repeat([]byte{tokenSubstitution, 0, 0, kindXML}, 60)...) }, value{kind: kindXML})
				descriptor, from := len(c.b)-4, len(c.b)
				level(n - 1)
				binary.LittleEndian.PutUint16(c.b[descriptor:], uint16(len(c.b)-from))
			}
			level(20)
		}, format.ErrLimit},
		{"a long text put in many times", func(c *crafted) {
			text := units(strings.Repeat("x", 20_000))
			c.template(func() { c.raw(bytes.Repeat([]byte{tokenSubstitution, 0, 0, kindString}, 5000)...) }, value{kind: kindString, end: len(text)})
			c.raw(text...)
		}, format.ErrLimit},
		{"an array of nothing put in many times", func(c *crafted) {
			c.template(func() { c.raw(bytes.Repeat([]byte{tokenSubstitution, 0, 0, kindString}, 5000)...) }, value{kind: kindString | kindArray, end: 30_000})
			c.raw(make([]byte, 30_000)...)
		}, format.ErrLimit},
		{"elements in elements", func(c *crafted) {
			for range 1000 {
				c.raw(tokenOpen, 0xFF, 0xFF)
				c.u32(0)
				c.name("e")
				c.raw(tokenCloseStart)
			}
		}, format.ErrLimit},
		{"2000 values", func(c *crafted) { c.template(func() {}, make([]value, 2000)...) }, format.ErrLimit},
		{"4 billion values", func(c *crafted) { c.template(func() {}); copy(c.b[len(c.b)-4:], "\xFF\xFF\xFF\xFF") }, format.ErrLimit},
		{"values that are not there", func(c *crafted) { c.template(func() {}, make([]value, 100)...); c.b = c.b[:len(c.b)-300] }, format.ErrMalformed},
		{"a value that is too long", func(c *crafted) { c.template(func() {}, value{kind: kindString, end: 60_000}) }, format.ErrMalformed},
		{"substitution without value", func(c *crafted) { c.template(func() { c.raw(tokenSubstitution, 0, 0, 1) }) }, format.ErrMalformed},
		{"substitution outside a template", func(c *crafted) { c.raw(tokenSubstitution, 0, 0, 1) }, format.ErrMalformed},
		{"template outside the chunk", func(c *crafted) { c.raw(tokenTemplate, 1, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0) }, format.ErrMalformed},
		{"template that is another one", func(c *crafted) { c.template(func() {}); c.b[chunkHeader+recordHead+2]++ }, format.ErrMalformed},
		{"template over the chunk's end", func(c *crafted) { c.template(func() {}); c.b[chunkHeader+recordHead+10+22] = 1 }, format.ErrMalformed},
		{"name outside the chunk", func(c *crafted) { c.raw(tokenOpen, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0) }, format.ErrMalformed},
		{"name with a wrong hash", func(c *crafted) { c.event(func() {}); c.b[chunkHeader+recordHead+4+11+4]++ }, format.ErrMalformed},
		{"text that is too long", func(c *crafted) { c.raw(tokenValue, kindString, 0xFF, 0xFF) }, format.ErrMalformed},
		{"text that is a number", func(c *crafted) { c.raw(tokenValue, kindUint32, 1, 0, 0, 0) }, format.ErrMalformed},
		{"end of no element", func(c *crafted) { c.raw(tokenEndElement) }, format.ErrMalformed},
		{"element without end", func(c *crafted) { c.event(func() {}); c.b = c.b[:len(c.b)-2] }, format.ErrMalformed},
		{"no event id", func(c *crafted) { c.element("Event", func() {}) }, format.ErrMalformed},
		{"nothing", func(*crafted) {}, format.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCrafted()
			c.record(func() { test.write(c) })
			started := time.Now()
			records, stats, err := readAll(bytes.NewReader(c.chunk()))
			if len(records) != 0 || stats.Lost != 1 || !errors.Is(err, test.want) {
				t.Errorf("got %d records, %+v and %v, want %v", len(records), stats, err, test.want)
			}
			if took := time.Since(started); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestErrorsAreSilent looks for content in errors: a name that is wrong must not be quoted.
func TestErrorsAreSilent(t *testing.T) {
	c := newCrafted()
	c.record(func() { c.event(func() { c.text("SECRET"); c.raw(tokenEntityRef); c.name("SECRET"); c.raw(0x7F) }) })
	if _, _, err := readAll(bytes.NewReader(c.chunk())); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
}
