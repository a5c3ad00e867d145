package evtx

import "encoding/binary"

// name reads the offset of a name at pos. A name that is used for the first time follows at once. next is the position
// behind both.
func (d *decoder) name(pos, end int) (name string, next int, ok bool) {
	if pos < 0 || end-pos < 4 {
		return "", 0, false
	}
	at, next := int(binary.LittleEndian.Uint32(d.b[pos:])), pos+4
	if at < 0 || at >= len(d.b) {
		return "", 0, false
	}
	if i := d.index[at]; i > 0 {
		name = d.names[i-1]
	} else if name, ok = d.newName(at); !ok {
		return "", 0, false
	}
	if at == next {
		next += 8 + 2*int(binary.LittleEndian.Uint16(d.b[at+6:])) + 2
		if next > end {
			return "", 0, false
		}
	}
	return name, next, true
}

// newName reads a name: offset u32 of the next with the same hash, hash u16, length u16, UTF-16, NUL. The hash must be
// right: so remains of an older chunk do not get names of this one.
func (d *decoder) newName(at int) (string, bool) {
	le := binary.LittleEndian
	if len(d.b)-at < 10 || len(d.names) >= 1<<16-1 {
		return "", false
	}
	n := 2 * int(le.Uint16(d.b[at+6:]))
	if d.budget -= n; d.budget < 0 || len(d.b)-at < 10+n {
		return "", false
	}
	units := d.b[at+8 : at+8+n]
	hash := uint32(0)
	for i := 0; i < n; i += 2 {
		hash = hash*65599 + uint32(le.Uint16(units[i:]))
	}
	if uint16(hash) != le.Uint16(d.b[at+4:]) || le.Uint16(d.b[at+8+n:]) != 0 {
		return "", false
	}
	d.names = append(d.names, string(appendUTF16(nil, units)))
	d.index[at] = uint16(len(d.names))
	return d.names[len(d.names)-1], true
}

func entity(name string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	return "&" + name + ";"
}
