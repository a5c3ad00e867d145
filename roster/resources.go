package roster

import (
	"errors"
	"io"

	"chaperone/format"
	"chaperone/format/fhir"
)

// readResources reads FHIR Patient resources.
func readResources(source io.Reader, s *Stats, each func(*Person) error) error {
	r := fhir.NewReader(source)
	for {
		found, err := r.Next()
		s.Other = r.Others()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, format.ErrMalformed) || errors.Is(err, format.ErrLimit):
			s.bad(r.Line(), err.Error())
			continue
		case err != nil:
			return err
		}
		p := Person{
			Record: found.Record, Street: found.Street, City: found.City, Zip: found.Zip, Phone: found.Phone,
			State: state(found.State.Reveal()), // a state alone names nobody
			Line:  r.Line(), foreign: true,
		}
		if err := s.take(&p, each); err != nil {
			return err
		}
	}
}
