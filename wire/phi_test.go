package wire_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"chaperone"
	"chaperone/wire"
)

const secret = "Kestrelyn-Grebe"

// TestPHI prints patient data in every way a program prints, alone and inside everything that carries it.
func TestPHI(t *testing.T) {
	phi := chaperone.NewPHI(secret)
	id := chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: phi, Value: phi}
	record := chaperone.Record{Identifiers: []chaperone.Identifier{id}, Alternates: []chaperone.Identifier{id}, Name: phi, Birth: phi, Sex: phi, Study: phi}
	merge := chaperone.Merge{Survivor: []chaperone.Identifier{id}, Prior: []chaperone.Identifier{id}}
	message := &wire.Message{Seq: 1, Action: "C-MOVE", Study: phi, Retrieve: &wire.Retrieve{Keys: []chaperone.Record{record}}}
	type hidden struct{ p chaperone.PHI }
	type pointing struct{ P *chaperone.PHI }
	for _, test := range []struct {
		name  string
		value any
	}{
		{"value", phi},
		{"pointer", &phi},
		{"identifier", id},
		{"record", record},
		{"pointer to a record", &record},
		{"merge", merge},
		{"message", *message},
		{"retrieve", message.Retrieve},
		{"event", wire.Event{Message: message, Records: []chaperone.Record{record}, Merges: []chaperone.Merge{merge}}},
		{"slice", []chaperone.PHI{phi}},
		{"array", [1]chaperone.PHI{phi}},
		{"map", map[string]chaperone.PHI{"a": phi}},
		{"key of a map", map[chaperone.PHI]int{phi: 1}},
		{"unexported field", hidden{phi}},
		{"pointer to an unexported field", &hidden{phi}},
		{"field that is a pointer", pointing{&phi}},
		{"interface", any(phi)},
		{"error", fmt.Errorf("record: %v", record)},
		{"joined error", errors.Join(fmt.Errorf("%s", phi), fmt.Errorf("%q", phi))},
	} {
		t.Run(test.name, func(t *testing.T) {
			for way, shown := range print(test.value) {
				for _, part := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "Kestrel", "Grebe"} {
					if strings.Contains(shown, part) {
						t.Errorf("%s shows it", way)
					}
				}
			}
		})
	}
	if phi.Reveal() != secret || phi.Empty() {
		t.Error("the value is gone")
	}
}

// print shows a value in every way; a way that fails shows its error.
func print(v any) map[string]string {
	shown := map[string]string{"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln(v)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%50v", "%-5.3s", "% x", "%#x", "%T", "%z", "%[1]*v"} {
		shown[verb] = fmt.Sprintf(verb, v)
	}
	for way, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		logger := slog.New(handler(&b)).With("with", v)
		logger.Info("message", "value", v, slog.Group("group", "value", v))
		shown[way] = b.String()
	}
	for way, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "XML": xml.Marshal} {
		b, err := marshal(v)
		shown[way] = string(b) + fmt.Sprint(err)
	}
	return shown
}

// TestPHIZero: no text is no value, and looks like any other when it is printed.
func TestPHIZero(t *testing.T) {
	var zero chaperone.PHI
	if !zero.Empty() || zero.Reveal() != "" || chaperone.NewPHI("") != zero {
		t.Error("the zero value is not empty")
	}
	if fmt.Sprint(zero) != fmt.Sprint(chaperone.NewPHI("x")) {
		t.Error("whether there is a value shows")
	}
}
