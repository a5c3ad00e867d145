package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/watch"
)

// questionFlags say which disclosures are meant.
type questionFlags struct {
	parties, sources []string
	partyFile        string
	lines            map[string]int // of the names in it
	protocols        []string
	since, until     string
	names            string
}

func (f *questionFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.parties, "party", nil, "to this `recipient`: an address, a subnet, or its name, proven or claimed; several: to any of them")
	flags.StringVar(&f.partyFile, "party-file", "", "`file` with a recipient on each line; # begins a comment")
	flags.StringArrayVar(&f.sources, "source", nil, "from this `giver`, named like a recipient")
	flags.StringSliceVar(&f.protocols, "protocol", nil, "by this `protocol`: hl7 or dicom")
	flags.StringVar(&f.since, "since", "", "from this `time` on, or as long ago: 2026-11-08, 2026-11-08T08:00, or with seconds and zone; 7d, 12h")
	flags.StringVar(&f.until, "until", "", "before this `time`")
	flags.StringVar(&f.names, "names", "", "CSV `file` of address,name: shows names instead of addresses")
	_ = c.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"hl7", "dicom"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("party-file")
	_ = c.MarkFlagFilename("names", "csv")
}

// read turns what was typed into a query, and refuses what it does not understand.
func (f *questionFlags) read() (q ledger.Query, style ask.Style, err error) {
	style = ask.Style{Zone: time.Local}
	if f.names != "" {
		if style.Names, err = watch.LoadNames(f.names); err != nil {
			return q, style, err
		}
	}
	if q.From, q.Until, err = period(f.since, f.until); err != nil {
		return q, style, err
	}
	for _, text := range f.protocols {
		switch p := chaperone.Protocol(strings.ToLower(text)); p {
		case chaperone.HL7, chaperone.DICOM:
			q.Protocols = append(q.Protocols, p)
		default:
			return q, style, errors.New("--protocol: hl7 or dicom")
		}
	}
	if q.Sources, err = matches("--source", f.sources, style.Names); err != nil {
		return q, style, err
	}
	if q.Parties, err = matches("--party", f.parties, style.Names); err != nil {
		return q, style, err
	}
	if f.partyFile != "" {
		list, err := f.readParties(style.Names)
		if err != nil {
			return q, style, err
		}
		q.Parties = append(q.Parties, list...)
	}
	return q, style, nil
}

// period reads --since, which may say how long ago, and --until.
func period(since, until string) (from, to time.Time, err error) {
	if from, err = sinceOf(since, time.Now()); err != nil {
		return from, to, err
	}
	if to, err = moment("--until", until); err != nil {
		return from, to, err
	}
	if !to.IsZero() && !from.Before(to) {
		return from, to, errors.New("--until is not after --since: no time is between them")
	}
	return from, to, nil
}

// readParties reads a file of recipients. One without any would mean all of them, so it is refused.
func (f *questionFlags) readParties(names watch.Names) ([]ledger.Match, error) {
	path := f.partyFile
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--party-file: %w", err)
	}
	defer file.Close()
	var list []ledger.Match
	f.lines = map[string]int{}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		m, err := match(text, names)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		f.lines[text] = n
		list = append(list, m...)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: names no recipient; give one on each line: an address, a subnet or a name", path)
	}
	return list, nil
}

func matches(flag string, texts []string, names watch.Names) ([]ledger.Match, error) {
	var list []ledger.Match
	for _, text := range texts {
		m, err := match(text, names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		list = append(list, m...)
	}
	return list, nil
}

// match reads one party: an address, a subnet, what a system calls itself, or what the operator calls it.
func match(text string, names map[netip.Addr]string) ([]ledger.Match, error) {
	p, err := chaperone.ParseNetwork(text)
	if err == nil {
		return []ledger.Match{{Prefix: p.Masked()}}, nil
	}
	if !errors.Is(err, chaperone.ErrNoNetwork) {
		return nil, err
	}
	number := strings.Trim(text, "0123456789./") == "" && strings.ContainsAny(text, "./")
	if text == "" || number || strings.Contains(text, ":") && strings.Trim(text, "0123456789abcdefABCDEF:./") == "" {
		return nil, errors.New("neither an address, nor a subnet, nor a name; for example 192.0.2.10, 192.0.2.0/24 or PACS")
	}
	list := []ledger.Match{{Name: text}}
	for a, name := range names {
		if strings.EqualFold(name, text) {
			list = append(list, ledger.Match{Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
	}
	return list, nil
}
