package guard

import (
	"errors"
	"strings"
	"testing"
)

// TestSound: a fault of a decoder is an error that says where, and quotes nothing.
func TestSound(t *testing.T) {
	at := 3
	for name, fault := range map[string]func() error{
		"an index":  func() error { _ = make([]byte, 1)[at]; return nil },
		"its words": func() error { panic("DOE^JANE") },
		"nil":       func() error { var m *message; return m.err },
	} {
		err := sound(fault)
		if !errors.Is(err, errFault) || !strings.Contains(err.Error(), "guard.TestSound.func") || strings.Contains(err.Error(), "DOE") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := sound(func() error { return errSilent }); err != errSilent {
		t.Errorf("got %v", err)
	}
}
