package dicom

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// dictionary is every sequence of PS3.6, the retired ones too: a line is a group and its elements. An implicit VR stream does not
// mark sequences of defined length, and receivers look them up in a list like this.
//
//go:embed sequences.txt
var dictionary string

var known = sync.OnceValue(func() map[Tag]bool {
	all := map[Tag]bool{}
	for line := range strings.Lines(dictionary) {
		words := strings.Fields(line)
		for _, word := range words[1:] {
			tag, _ := strconv.ParseUint(words[0]+word, 16, 32) // a test reads it too
			all[Tag(tag)] = true
		}
	}
	return all
})

// isSequence reports whether the standard says of an element that it is a sequence.
func isSequence(t Tag) bool {
	if t.Group()&0xFF01 == 0x5000 { // curves: a group for each (PS3.5 section 7.6)
		return t&0xFFFF == 0x2600
	}
	return known()[t]
}
