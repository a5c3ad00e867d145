package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness is somebody off this host who cosigns checkpoints.
type Witness struct {
	Name     string
	URL      string // add-checkpoint is below it
	Verifier note.Verifier
}

// Policy says who is asked, and how many must have cosigned. The zero value asks nobody.
type Policy struct {
	Need      int
	Witnesses []Witness
}

// ReadWitnesses reads the file "witnesses" of a ledger's folder: "need K", then a line "NAME URL VKEY" for each. Empty
// lines and those that begin with # do not count. Without a file nobody is asked.
func ReadWitnesses(dir string) (Policy, error) {
	path := filepath.Join(dir, witnessesFile)
	text, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Policy{}, nil
	}
	if err != nil {
		return Policy{}, err
	}
	p, err := parsePolicy(string(text))
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func parsePolicy(text string) (Policy, error) {
	var p Policy
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		var err error
		switch {
		case p.Need == 0 && len(fields) == 2 && fields[0] == "need":
			p.Need, err = strconv.Atoi(fields[1])
			if err == nil && p.Need < 1 {
				err = errors.New("at least 1 is needed")
			}
		case p.Need == 0:
			err = errors.New("the first line says how many are needed, as in: need 2")
		case len(fields) != 3:
			err = errors.New("a witness is: NAME URL VKEY")
		default:
			err = p.add(fields[0], fields[1], fields[2])
		}
		if err != nil {
			return Policy{}, fmt.Errorf("seal: line %d: %w", i+1, err)
		}
	}
	if p.Need > len(p.Witnesses) {
		return Policy{}, fmt.Errorf("seal: %d witnesses are needed and %d named", p.Need, len(p.Witnesses))
	}
	return p, nil
}

func (p *Policy) add(name, address, vkey string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("the URL is not http:// or https:// and a host")
	}
	v, err := NewCosignatureVerifier(vkey)
	if err != nil {
		return err
	}
	for _, w := range p.Witnesses {
		if w.Name == name || w.Verifier.Name() == v.Name() {
			return errors.New("a witness is named twice")
		}
	}
	p.Witnesses = append(p.Witnesses, Witness{name, strings.TrimSuffix(address, "/"), v})
	return nil
}

func (p *Policy) verifiers() []note.Verifier {
	list := make([]note.Verifier, len(p.Witnesses))
	for i := range p.Witnesses {
		list[i] = p.Witnesses[i].Verifier
	}
	return list
}

// Cosignature says who has seen a checkpoint, and when.
type Cosignature struct {
	Witness string
	Time    time.Time
}

// Open checks a signed checkpoint and gives those of the policy's witnesses that cosigned it. Errors: ErrCheckpoint.
func (p *Policy) Open(signed []byte, log note.Verifier) (tlog.Tree, []Cosignature, error) {
	tree, n, err := OpenCheckpoint(signed, log, p.verifiers()...)
	if err != nil {
		return tree, nil, err
	}
	return tree, p.cosignatures(n), nil
}

// cosignatures gives those of the policy's witnesses that are among a note's verified signatures.
func (p *Policy) cosignatures(n *note.Note) []Cosignature {
	var list []Cosignature
	for i := range p.Witnesses {
		if sig, ok := signatureOf(n, p.Witnesses[i].Verifier); ok {
			list = append(list, Cosignature{p.Witnesses[i].Name, cosignedAt(sig)})
		}
	}
	return list
}

// satisfied reports whether enough witnesses cosigned a note.
func (p *Policy) satisfied(n *note.Note) bool { return p.Need > 0 && len(p.cosignatures(n)) >= p.Need }
