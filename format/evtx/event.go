package evtx

import (
	"strconv"
	"time"
)

// event puts a record together from elements, attributes and text. All its text is in one buffer, which becomes one
// string.
type event struct {
	text   []byte
	stack  [maxDepth]element
	depth  int
	part   part
	attr   string // the attribute that is being read
	attrAt int    // where its text begins

	seen                              bool // System/EventID was read
	head                              Record
	provider, channel, computer, user place
	fields                            []field
}

// place is where something stands in the text.
type place struct{ at, end int }

// element is one that is open.
type element struct {
	name    string
	label   place // its Name attribute
	at      int   // where its own text begins
	inner   bool  // it has elements
	dropped bool  // an optional value is null: without other content there is no such element
}

// field is a Field whose text is not a string yet.
type field struct {
	name         string // when there is no label
	label, value place
}

// part is the child of Event that is being read.
type part uint8

const (
	partNone   part = iota // RenderingInfo repeats what the rest says
	partSystem             //
	partData               // EventData, UserData, BinaryEventData, ProcessingErrorData
)

func (e *event) reset() {
	e.text, e.fields = e.text[:0], e.fields[:0]
	e.depth, e.part, e.attr = 0, partNone, ""
	e.seen, e.head = false, Record{}
	e.provider, e.channel, e.computer, e.user = place{}, place{}, place{}, place{}
}

func (e *event) open(name string) bool {
	if e.depth == maxDepth {
		return false
	}
	if e.depth > 0 {
		e.stack[e.depth-1].inner = true
	}
	if e.depth == 1 {
		switch name {
		case "System":
			e.part = partSystem
		case "RenderingInfo":
			e.part = partNone
		default:
			e.part = partData
		}
	}
	e.stack[e.depth] = element{name: name, at: len(e.text)}
	e.depth++
	return true
}

func (e *event) attribute(name string) {
	e.endAttribute()
	e.attr, e.attrAt = name, len(e.text)
}

// content is where attributes end.
func (e *event) content() {
	e.endAttribute()
	if e.depth > 0 {
		e.stack[e.depth-1].at = len(e.text)
	}
}

func (e *event) endAttribute() {
	name, value := e.attr, place{e.attrAt, len(e.text)}
	e.attr = ""
	if name == "" || e.depth < 3 {
		return
	}
	top := &e.stack[e.depth-1]
	switch {
	case e.part == partData && name == "Name":
		top.label = value
	case e.part != partSystem || e.depth > 3:
	case top.name == "Provider" && name == "Name":
		e.provider = value
	case top.name == "Security" && name == "UserID":
		e.user = value
	case top.name == "TimeCreated" && name == "SystemTime" && value.end > value.at:
		if t, err := time.Parse(time.RFC3339Nano, string(e.text[value.at:])); err == nil {
			e.head.Time = t.UTC()
		}
	}
}

// close ends an element; false means that none is open.
func (e *event) close() bool {
	if e.depth == 0 {
		return false
	}
	top := &e.stack[e.depth-1]
	switch {
	case e.depth == 3 && e.part == partSystem:
		e.system(top.name, place{top.at, len(e.text)})
	case e.depth >= 3 && e.part == partData && !top.inner && !(top.dropped && top.at == len(e.text)):
		e.field(top)
	}
	if e.depth--; e.depth == 1 {
		e.part = partNone
	}
	return true
}

func (e *event) system(name string, value place) {
	switch name {
	case "EventID":
		n, err := strconv.ParseUint(string(e.text[value.at:]), 10, 16)
		e.head.EventID, e.seen = uint16(n), err == nil
	case "EventRecordID":
		e.head.ID, _ = strconv.ParseUint(string(e.text[value.at:]), 10, 64) // 0 is taken for none
	case "Level":
		n, _ := strconv.ParseUint(string(e.text[value.at:]), 10, 8) // 0 is what an event without level has
		e.head.Level = uint8(n)
	case "Keywords":
		e.head.Keywords, _ = strconv.ParseUint(string(e.text[value.at:]), 0, 64) // without them there are none
	case "Channel":
		e.channel = value
	case "Computer":
		e.computer = value
	}
}

func (e *event) field(top *element) {
	e.fields = append(e.fields, field{top.name, top.label, place{top.at, len(e.text)}})
}

// repeat begins the next item of an array: in an element it is the same element again.
func (e *event) repeat() {
	if e.attr != "" || e.part != partData || e.depth < 3 {
		e.text = append(e.text, ',')
		return
	}
	top := &e.stack[e.depth-1]
	e.field(top)
	top.at = len(e.text)
}

func (e *event) null(optional bool) {
	if optional && e.attr == "" && e.depth > 0 {
		e.stack[e.depth-1].dropped = true
	}
}

func (e *event) value(kind byte, b []byte) {
	if kind == kindFiletime && e.part == partSystem && e.attr == "SystemTime" && len(b) == 8 {
		e.head.Time = filetime(uint64At(b)) // the one value that need not be text first
		return
	}
	e.text = appendValue(e.text, kind, b)
}

// record gives what was read, nil when that is no event.
func (e *event) record() *Record {
	if !e.seen || e.depth > 0 {
		return nil
	}
	text := string(e.text)
	rec := e.head
	rec.Provider = text[e.provider.at:e.provider.end]
	rec.Channel = text[e.channel.at:e.channel.end]
	rec.Computer = text[e.computer.at:e.computer.end]
	rec.User = text[e.user.at:e.user.end]
	rec.Data = make([]Field, len(e.fields))
	for i, f := range e.fields {
		name := f.name
		if f.label.end > f.label.at {
			name = text[f.label.at:f.label.end]
		}
		rec.Data[i] = Field{name, text[f.value.at:f.value.end]}
	}
	return &rec
}
