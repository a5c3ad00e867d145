package guard

import (
	"strings"
)

// Sequences in which somebody may stand, and tags that nobody knows.
var (
	aside   = []uint32{0x00081110, 0x00081111, 0x00081120, 0x00081140, 0x00081199, 0x00101002, 0x00321064, 0x00380004, 0x00400100, 0x00400275, 0x0040A730, 0x00880200, 0x04000561, 0x300A00B0, 0x52009229, 0x52009230}
	foreign = []uint32{0x00090010, 0x00091002, 0x00089998, 0x00110020, 0x00191010, 0x00297777, 0x0041FF02, 0x60010010}
)

// text are values that receivers may cut, split or join in several ways; %s is a number.
var texts = []string{
	"%s\x00%s", `%s\%s`, `\%s`, `%s\`, " %s", "\t%s", "%s\n%s", "%s\r", "\x1b(B%s", "%s\x1b(B%s", "\x1b$B%s\x1b(B", "\x1b(J%s", "\x1b-A%s", "%s\xe9", "%s\xc3\xa9", "\xe9\\%s",
	"%s\x83\\%s", "%s\x81\\%s", "\xff%s", "%s\x00", `""`, "", "  ", "%s^%s", "%s=%s", "%s\x7f", "%s\x08%s", "\xc2\xa0%s", "\xe3\x80\x80%s", "%s\x85%s", "%s\x0c%s", "\xef\xbb\xbf%s", "%s  %s",
	"%s]\n(0010,0020) LO [%s", "%s\x1f", "\x0e%s\x0f",
}

var charsets = []string{
	"ISO_IR 100", "ISO_IR 192", `\ISO 2022 IR 87`, `ISO 2022 IR 13\ISO 2022 IR 87`, "ISO_IR 13", "GB18030", "GBK", `ISO 2022 IR 6\ISO 2022 IR 58`, `\ISO 2022 IR 149`, "ISO_IR 166", "nonsense", "ISO_IR 100\\ISO_IR 192",
}

// odd gives such a text.
func (v *inventor) odd() string {
	text := pick(v, texts...)
	for strings.Contains(text, "%s") {
		text = strings.Replace(text, "%s", v.number(), 1)
	}
	return text
}

// lie is another encoding than the one that was agreed.
func (v *inventor) lie() encoding {
	return pick(v, encoding{implicit: !v.implicit}, encoding{implicit: v.implicit, big: !v.big}, encoding{})
}

// maybe is most often the encoding that was agreed.
func (v *inventor) maybe() encoding {
	if v.IntN(8) == 0 {
		return v.lie()
	}
	return v.encoding
}

// any gives a tag of any kind that may hold items.
func (v *inventor) any() uint32 { return pick(v, append(aside, foreign...)...) }

// tricks are what may be wrong with a data set, or look so.
var tricks = []func(v *inventor){
	// duplicates, and what is not in order
	func(v *inventor) { v.insert(0x00100020, v.element(0x00100020, "LO", v.number())) },
	func(v *inventor) { v.misplace(0x00100020, v.element(0x00100020, "LO", v.number())) },
	func(v *inventor) { v.misplace(0x00100010, v.element(0x00100010, "PN", v.name())) },
	func(v *inventor) {
		tag := pick(v, v.pieces...).tag
		v.misplace(tag, v.element(tag, pick(v, "LO", "PN", "OW", "UN"), v.number()))
	},
	// others in sequences
	func(v *inventor) {
		tag, open, e := pick(v, aside...), v.coin(), v.encoding
		v.insert(tag, e.sequence(tag, "SQ", open, e.item(v.coin(), v.patient(e)), e.item(v.coin(), v.patient(v.maybe()))))
	},
	func(v *inventor) {
		tag, e := pick(v, aside...), v.encoding
		v.drop(pick(v, uint32(0x00100020), 0x00100010))
		v.insert(tag, e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), v.patient(e))))
	},
	func(v *inventor) {
		e := v.encoding
		changed := e.sequence(0x04000550, "SQ", v.coin(), e.item(v.coin(), v.patient(e)))
		v.insert(0x04000561, e.sequence(0x04000561, "SQ", v.coin(), e.item(v.coin(), changed)))
	},
	func(v *inventor) {
		tag, inner, e := pick(v, aside...), pick(v, aside...), v.encoding
		v.insert(tag, e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), v.patient(e)+e.sequence(inner, "SQ", v.coin(), e.item(v.coin(), v.patient(e))))))
	},
	// unknown representation, known and unknown tags
	func(v *inventor) {
		tag, e := v.any(), v.encoding
		inner := pick(v, encoding{implicit: true}, encoding{implicit: true}, encoding{}, v.encoding)
		v.insert(tag, e.sequence(tag, pick(v, "UN", "UN", "SQ", "OB", "LO", "UT"), v.coin(), inner.item(v.coin(), v.patient(inner))))
	},
	func(v *inventor) {
		tag, e := v.any(), v.encoding
		inner := pick(v, encoding{implicit: true}, encoding{}, v.encoding)
		v.insert(tag, e.element(tag, pick(v, "UN", "SQ", "OB"), v.patient(inner)))
	},
	func(v *inventor) { // private sequences that pydicom and dcmtk have in their own dictionaries
		name, tag := pick(v, "GEMS_ADWSoft_3D1", "DCMTK_ANONYMIZER", "AGFA-AG_HPState"), uint32(0)
		switch name {
		case "GEMS_ADWSoft_3D1":
			tag = 0x00471001
		case "DCMTK_ANONYMIZER":
			tag = 0x00091030
		default:
			tag = 0x00711018
		}
		e, inner := v.encoding, pick(v, encoding{implicit: true}, encoding{implicit: true}, v.encoding)
		content := v.patient(inner)
		if v.coin() {
			content = inner.item(v.coin(), content)
		} else if v.coin() { // in the place of an item, another tag
			content = inner.head(0x00100020, "LO", noLength, content)
		}
		v.insert(tag&0xFFFF0000|0x10, e.element(tag&0xFFFF0000|0x10, "LO", name))
		v.insert(tag, e.element(tag, pick(v, "UN", "SQ"), content))
	},
	// identities in other representations
	func(v *inventor) {
		tag := pick(v, uint32(0x00100020), 0x00100010, 0x00101000, 0x00100021)
		v.drop(tag)
		v.insert(tag, v.element(tag, pick(v, "UN", "SH", "OB", "UT", "ST", "AE", "UC", "SQ", "ZZ", "\x00\x00", "lo"), v.number()))
	},
	func(v *inventor) {
		tag, e := pick(v, aside...), v.encoding
		v.insert(tag, e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), e.element(0x00100020, pick(v, "UN", "SH", "OB", "UT", "SQ"), v.number()))))
	},
	// one encoding agreed, another sent
	func(v *inventor) { v.replace(0x00100020, v.lie().element(0x00100020, "LO", v.number())) },
	func(v *inventor) {
		e := v.encoding
		v.encoding, v.pieces = v.lie(), nil
		v.usual()
		v.encoding = e
	},
	func(v *inventor) { // a length that looks like a representation
		v.insert(0, v.head(0x00080001, pick(v, "UL", "LO", "UN"), 0x4F4C, strings.Repeat("x", 0x4F4C)))
	},
	func(v *inventor) {
		tag, e := v.any(), encoding{implicit: true}
		first := e.head(0x00080001, "", 0x4F4C, v.element(0x00100020, "LO", v.number())+strings.Repeat("\x00", 0x4F4C-16))
		v.insert(tag, v.sequence(tag, pick(v, "UN", "SQ"), v.coin(), e.item(v.coin(), first+v.patient(e))))
	},
	// delimiters
	func(v *inventor) {
		tag, e := pick(v, aside...), v.encoding
		end := pick(v, e.head(0xFFFEE00D, "", 4, ""), e.head(0xFFFEE00D, "", 8, "\x00\x00\x00\x00\x00\x00\x00\x00"), e.head(0xFFFEE00D, "", noLength, ""), e.head(0xFFFEE0DD, "", 12, v.element(0x00100020, "LO", v.number())), "")
		content := e.head(0xFFFEE000, "", noLength, v.patient(e)) + end
		v.insert(tag, e.head(tag, "SQ", noLength, content)+pick(v, e.head(0xFFFEE0DD, "", 0, ""), e.head(0xFFFEE0DD, "", 16, ""), ""))
	},
	func(v *inventor) {
		tag, e := v.any(), v.encoding
		content := v.patient(e) + pick(v, e.head(0xFFFEE00D, "", 0, ""), e.head(0xFFFEE0DD, "", 0, "")) + v.patient(e)
		length := uint32(len(content) + 2*v.IntN(5) - 4)
		v.insert(tag, e.sequence(tag, pick(v, "SQ", "UN"), v.coin(), e.head(0xFFFEE000, "", length, content)))
	},
	func(v *inventor) {
		v.misplace(0xFFFEE00D, v.head(pick(v, uint32(0xFFFEE00D), 0xFFFEE0DD, 0xFFFEE000), "", pick(v, uint32(0), 8, noLength), ""))
	},
	func(v *inventor) { // a length that ends elsewhere
		tag, e := v.any(), v.encoding
		content := e.item(v.coin(), v.patient(e)) + e.item(v.coin(), v.patient(e))
		v.insert(tag, e.head(tag, pick(v, "SQ", "UN"), uint32(len(content)+2*v.IntN(20)-20), content))
	},
	// lengths
	func(v *inventor) { v.insert(0x00104000, v.head(0x00104000, "LT", 3, "odd")) },
	func(v *inventor) {
		n := v.number() + "x"
		v.replace(0x00100020, v.head(0x00100020, "LO", uint32(len(n)), n))
	},
	func(v *inventor) {
		n := v.number()
		v.replace(0x00100020, v.head(0x00100020, "LO", uint32(v.IntN(2*len(n))), n))
	},
	func(v *inventor) {
		tag := pick(v, uint32(0x00104000), 0x00100010, 0x00091002, 0x00204000)
		v.insert(tag, v.head(tag, pick(v, "LT", "UN", "OB", "UT"), noLength, v.item(v.coin(), v.patient(v.encoding))+v.head(0xFFFEE0DD, "", 0, "")))
	},
	func(v *inventor) { v.replace(0x00100020, v.element(0x00100020, "LO", "")) },
	func(v *inventor) {
		tag := pick(v, aside...)
		v.insert(tag, v.sequence(tag, "SQ", v.coin())+pick(v, "", v.sequence(tag, "SQ", v.coin(), v.item(v.coin(), ""))))
	},
	// texts
	func(v *inventor) { v.replace(0x00100020, v.element(0x00100020, "LO", v.odd())) },
	func(v *inventor) { v.replace(0x00100020, v.element(0x00100020, "LO", v.odd())) },
	func(v *inventor) { v.replace(0x00100010, v.element(0x00100010, "PN", v.odd())) },
	func(v *inventor) {
		v.replace(0x00080005, v.element(0x00080005, "CS", pick(v, charsets...)))
		v.replace(0x00100020, v.element(0x00100020, "LO", v.odd()))
	},
	func(v *inventor) {
		tag, e := pick(v, aside...), v.encoding
		v.insert(tag, e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), e.element(0x00080005, "CS", pick(v, charsets...))+e.element(0x00100020, "LO", v.odd()))))
	},
	func(v *inventor) {
		v.insert(0x00101000, v.element(0x00101000, "LO", pick(v, v.number()+`\`+v.number(), v.odd())))
		if v.coin() {
			v.drop(0x00100020)
		}
	},
	func(v *inventor) {
		if v.coin() {
			v.drop(0x00100010)
		}
		v.insert(0x00100020, v.element(0x00100020, "LO", ""))
		v.drop(pick(v, uint32(0x00100020), 0x00100021, 0x00100040))
	},
	// pixel data
	func(v *inventor) {
		between := pick(v, v.element(0x00100020, "LO", v.number()), v.item(true, v.patient(v.encoding)), v.item(false, v.patient(v.encoding)), v.head(0xFFFEE00D, "", 0, ""), v.head(0xFFFEE0DD, "", 0, v.patient(v.encoding)), v.head(0xFFFEE0DD, "", 10, ""))
		v.replace(0x7FE00010, v.fragments(between))
	},
	func(v *inventor) {
		v.replace(0x7FE00010, v.sequence(0x7FE00010, pick(v, "UN", "SQ", "OW", "OB"), v.coin(), v.item(v.coin(), v.patient(pick(v, v.encoding, encoding{implicit: true})))))
	},
	func(v *inventor) { v.pieces = append(v.pieces, piece{0x00100020, v.patient(v.encoding)}) },
	func(v *inventor) {
		v.pieces = append(v.pieces, piece{0xFFFCFFFC, pick(v, v.element(0xFFFCFFFC, "OB", v.patient(v.encoding)), strings.Repeat("\x00", 2+2*v.IntN(9)), v.head(0xFFFEE0DD, "", 0, ""))})
	},
	func(v *inventor) {
		i := v.IntN(len(v.pieces))
		v.pieces[0], v.pieces[i] = v.pieces[i], v.pieces[0]
	},
	// groups that are not a data set's, and group lengths
	func(v *inventor) {
		tag := pick(v, uint32(0x00020010), 0x00000002, 0x00041220, 0x00060001, 0x00080000, 0x00100000, 0x00080001)
		vr := map[uint32]string{0x00020010: "UI", 0x00000002: "UI", 0x00041220: "SQ", 0x00060001: "SQ"}[tag]
		value := "\x00\x00\x00\x00"
		switch vr {
		case "UI":
			value = pick(v, syntaxes...)
		case "SQ":
			value = v.item(v.coin(), v.patient(v.encoding))
		default:
			vr = "UL"
		}
		e := v.encoding
		if v.coin() {
			v.insert(tag, e.element(tag, vr, value))
			return
		}
		in := pick(v, aside...)
		v.insert(in, e.sequence(in, "SQ", v.coin(), e.item(v.coin(), e.element(tag, vr, value)+v.patient(pick(v, e, v.lie())))))
	},
	// deep, and many
	func(v *inventor) {
		tag, e := pick(v, aside...), v.encoding
		b := v.patient(e)
		for range v.IntN(70) {
			b = e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), b))
		}
		v.insert(tag, e.sequence(tag, "SQ", v.coin(), e.item(v.coin(), b)))
	},
	func(v *inventor) {
		tag := pick(v, foreign...)
		v.insert(tag, v.element(tag, pick(v, "OB", "UN", "LT"), strings.Repeat("y", 20000+v.IntN(60000))))
	},
}
