// Package approval keeps what somebody has approved: that a party may come in for a while (approve), or may do for a short
// time, for few patients, what its role may do at all (break-glass).
//
// Each is a small file in a folder beside the ledger, so that neither a network nor a second service is needed in an
// emergency. A file says what is approved and never changes, but for being ended. What the guard has seen of it is on its
// record (note.go): a file that is copied back after its end does nothing.
package approval

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind says what is approved.
type Kind string

// Kinds.
const (
	Approve    Kind = "approve"     // the party may come in, and do what its grants say
	BreakGlass Kind = "break-glass" // it may do what its role may do at all; its own budgets are lifted
)

// Bounds of an approval.
const (
	MostPatients      = 10_000
	Longest           = 31 * 24 * time.Hour
	MostGlassPatients = 50
	LongestGlass      = time.Hour
)

// version is that of the file's form.
const version = 1

// Approval is what one file says.
type Approval struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"` // 12 hexadecimal digits; the file is called so
	Kind     Kind      `json:"kind"`
	Party    string    `json:"party"`
	By       string    `json:"by"`   // who approved: a person, or another party
	User     string    `json:"user"` // whom the operating system knew at the keyboard
	Reason   string    `json:"reason"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Patients int       `json:"patients"` // at most, distinct, from the begin to the end
	Revoked  time.Time `json:"revoked,omitzero"`
}

// NewID gives an id that nobody has.
func NewID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Name is what logs, findings and the record call an approval: "approval 3f9c0a5b2e48", "break-glass 3f9c0a5b2e48".
func (a *Approval) Name() string {
	if a.Kind == BreakGlass {
		return "break-glass " + a.ID
	}
	return "approval " + a.ID
}

// Check says what is wrong with an approval: whatever that is, it permits nothing. Errors quote nothing of it.
func (a *Approval) Check() error {
	switch {
	case a.Version != version:
		return fmt.Errorf("approval: version: only %d is known", version)
	case !IsID(a.ID):
		return errors.New("approval: id: not 12 hexadecimal digits")
	case a.Kind != Approve && a.Kind != BreakGlass:
		return errors.New("approval: kind: neither approve nor break-glass")
	case !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`).MatchString(a.Party): // as in the site file
		return errors.New("approval: party: not a party's name")
	case !a.From.Before(a.Until):
		return errors.New("approval: until: it is not after from")
	case a.Patients < 1:
		return errors.New("approval: patients: at least 1")
	}
	if err := checkBy(a.By, a.Party, a.Kind); err != nil {
		return err
	}
	if !line(a.User, 0, 128) {
		return errors.New("approval: user: not one line of at most 128 letters")
	}
	if err := CheckReason(a.Reason); err != nil {
		return err
	}
	most, longest := MostPatients, Longest
	if a.Kind == BreakGlass {
		most, longest = MostGlassPatients, LongestGlass
	}
	switch {
	case a.Patients > most:
		return fmt.Errorf("approval: patients: at most %d for %s", most, a.Kind)
	case a.Until.Sub(a.From) > longest:
		return fmt.Errorf("approval: until: at most %s after from, for %s", spoken(longest), a.Kind)
	}
	return nil
}

func spoken(d time.Duration) string {
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// IsID reports whether a text is an approval's id.
func IsID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789abcdef") == ""
}

// checkBy: whoever approves is somebody else than the party, and to break the glass somebody with a name.
func checkBy(by, party string, kind Kind) error {
	switch {
	case !line(by, 1, 64) || !strings.ContainsFunc(by, unicode.IsLetter):
		return errors.New("approval: by: the name of whoever approves, up to 64 letters")
	case strings.EqualFold(by, party):
		return errors.New("approval: by: a party does not approve itself; somebody else has to")
	case kind == BreakGlass && Anybody(by):
		return errors.New("approval: by: that account could be anybody; breaking the glass needs the name of a second person or party")
	}
	return nil
}

// Anybody reports whether a name is that of an account which people share.
func Anybody(name string) bool {
	if _, after, ok := strings.Cut(name, `\`); ok { // DOMAIN\name
		name = after
	}
	return slices.Contains([]string{"root", "admin", "administrator", "system", "user", "guest", "nobody", "chaperone"}, strings.ToLower(name))
}

// longNumber is as many digits as a patient's number may have.
const longNumber = 6

// CheckReason says what is wrong with a reason: it is one line, and has no number that may be a patient's.
func CheckReason(reason string) error {
	if !line(reason, 3, 300) {
		return errors.New("approval: reason: one line of 3 to 300 letters that says why")
	}
	run := 0
	for _, r := range reason {
		if unicode.IsDigit(r) {
			run++
		} else {
			run = 0
		}
		if run == longNumber {
			return fmt.Errorf("approval: reason: a number of %d digits or more may be a patient's; leave it out", longNumber)
		}
	}
	return nil
}

// line reports whether a text is one line that steers no terminal.
func line(s string, least, most int) bool {
	n := len([]rune(s))
	return n >= least && n <= most && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || r == unicode.ReplacementChar
	})
}
