package dicom

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// An implicit VR stream does not mark sequences of defined length; receivers look them up in lists like these.
//
//go:embed sequences.txt
var standard string // every sequence of PS3.6, the retired ones too: a line is a group and its elements

//go:embed private.txt
var private string // those of manufacturers that pydicom 2.3 or dcmtk 3.6.7 know, by group and the last two digits

var (
	standardSequences = sync.OnceValue(func() map[Tag]bool { return tagsOf(standard) })
	privateSequences  = sync.OnceValue(func() map[Tag]bool { return tagsOf(private) })
)

func tagsOf(text string) map[Tag]bool {
	all := map[Tag]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		for _, word := range words[1:] {
			group, _ := strconv.ParseUint(words[0], 16, 16) // the lists are tested
			element, _ := strconv.ParseUint(word, 16, 16)
			all[Tag(group)<<16|Tag(element)] = true
		}
	}
	return all
}

// isSequence reports whether the standard says of an element that it is a sequence.
func isSequence(t Tag) bool {
	if t.Group()&0xFF01 == 0x5000 { // curves: a group for each (PS3.5 section 7.6)
		return t&0xFFFF == 0x2600
	}
	return standardSequences()[t]
}

// isPrivateSequence reports whether some manufacturer has a sequence there: whose element it is stands elsewhere (PS3.5 section
// 7.8.1).
func isPrivateSequence(t Tag) bool {
	if t.Group()&0xFF01 == 0x6001 {
		return t&0xFF == 0xC0
	}
	return privateSequences()[t&0xFFFF00FF]
}
