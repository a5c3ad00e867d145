package wiretest

import (
	"fmt"
	"reflect"
	"testing"

	"chaperone/wire"
)

// invented says which statement of some facts is in none of those of the undamaged conversation, "" when all are. Of
// a conversation that is not seen whole a session may say less, never anything else. Amounts and times may differ:
// they are of what was seen.
func invented(got, whole []wire.Fact) string {
	known := map[reflect.Type][]reflect.Value{}
	for _, f := range whole {
		v := reflect.ValueOf(f)
		known[v.Type()] = append(known[v.Type()], v)
	}
	for _, f := range got {
		v := reflect.ValueOf(f)
		if known[v.Type()] == nil {
			return fmt.Sprintf("a %s", v.Type())
		}
		if field := strange(v, known[v.Type()]); field != "" {
			return fmt.Sprintf("%s%s in %s", v.Type(), field, describeFacts([]wire.Fact{f}))
		}
	}
	return ""
}

// strange names the first part of a value that is neither empty nor like that of any of the known ones.
func strange(v reflect.Value, known []reflect.Value) string {
	switch {
	case v.IsZero() || v.Kind() == reflect.Int64:
		return ""
	case v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().Field(0).IsExported():
		for i := range v.NumField() {
			parts := make([]reflect.Value, len(known))
			for j := range known {
				parts[j] = known[j].Field(i)
			}
			if field := strange(v.Field(i), parts); field != "" {
				return "." + v.Type().Field(i).Name + field
			}
		}
		return ""
	case v.Kind() == reflect.Struct || v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Int64:
		return "" // a time; amounts by direction
	case v.Kind() == reflect.Pointer:
		return strange(v.Elem(), those(known, func(k reflect.Value) []reflect.Value {
			if k.IsNil() {
				return nil
			}
			return []reflect.Value{k.Elem()}
		}))
	case v.Kind() == reflect.Slice:
		elements := those(known, func(k reflect.Value) (list []reflect.Value) {
			for i := range k.Len() {
				list = append(list, k.Index(i))
			}
			return list
		})
		for i := range v.Len() {
			if strange(v.Index(i), elements) != "" {
				return fmt.Sprintf("[%d]", i)
			}
		}
		return ""
	}
	for _, k := range known {
		if v.Equal(k) {
			return ""
		}
	}
	return " " // it is this value itself
}

func those(values []reflect.Value, of func(reflect.Value) []reflect.Value) (list []reflect.Value) {
	for _, v := range values {
		list = append(list, of(v)...)
	}
	return list
}

// facts: they stay as they were noted, whatever the session and its caller do afterwards.
func facts(t *testing.T, p wire.Protocol, c Conversation) {
	var noted []wire.Fact
	var told []string
	tr := newTrace()
	tr.watch = func(e wire.Event) {
		if e.Stage == wire.Noted {
			noted, told = append(noted, e.Fact), append(told, describeFacts([]wire.Fact{e.Fact}))
		}
	}
	s := p.New(wire.DefaultLimits, false)
	for i, turn := range c.Turns {
		turn.Bytes = append([]byte(nil), turn.Bytes...)
		tr.feed(s, turn, mark(i))
		clear(turn.Bytes)
	}
	tr.close(s, mark(len(c.Turns)))
	for i, f := range noted {
		if now := describeFacts([]wire.Fact{f}); now != told[i] {
			t.Errorf("fact %d changed\ngot  %s\nwant %s", i, now, told[i])
		}
	}
}
