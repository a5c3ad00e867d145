package roster

// What the number of people changes in the law of the United States (45 CFR part 164, subpart D). Everybody is told in any
// case (164.404). The two limits differ by one:
//
//   - more than 500 residents of one state: a prominent medium there is told as well (164.406(a));
//   - 500 individuals or more, wherever they live: the Secretary is told at the same time as they are; for fewer, within 60
//     days after the end of the year (164.408(b), (c)).
const (
	mediaAbove    = 500
	secretaryFrom = 500
)

// MediaNotice reports whether the media of a state must be told of a breach that affects so many of its residents.
func MediaNotice(residents int) bool { return residents > mediaAbove }

// SecretaryNow reports whether the Secretary must be told of a breach of so many individuals without waiting for the year's end.
func SecretaryNow(individuals int) bool { return individuals >= secretaryFrom }
