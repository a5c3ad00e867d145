package site

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no zones of its own (IANA names)

	"chaperone"
	"chaperone/identity"
	"chaperone/ledger"
)

// matching reads a text of a shape. want says how to write it.
func matching(pattern, want string) codec[string] {
	shape := regexp.MustCompile(pattern)
	return codec[string]{func(text string) (string, error) {
		if !shape.MatchString(text) {
			return "", errors.New(want)
		}
		return text, nil
	}, func(s string) string { return s }}
}

// name reads a name that stands in certificates, or could: whoever is enrolled can be named, and whoever is named can be enrolled.
func name(text string) (string, error) {
	if identity.CheckName(text) != nil {
		return "", errors.New("not a name; a name has small letters, digits, -, . and _ (up to 63, one of them a letter, a letter or digit first, no . at the end): ct1")
	}
	return text, nil
}

// Texts by their shape.
var (
	word  = codec[string]{name, func(s string) string { return s }}
	words = matching(`^[a-z0-9]([a-z0-9 ._-]{0,61}[a-z0-9._-])?$`, "not a name; a name has small letters, digits, blanks, -, . and _ (up to 63): viewers look")

	target = grouped(matching(`^(role:)?[a-z0-9][a-z0-9._-]{0,62}$`, "not a target; write a party, role:pacs, group:radiology or self"))
	// title: PS3.5 table 6.2-1, AE.
	title       = matching(`^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$`, "not an AE title; it has up to 16 characters, no backslash and no blank around it: CT1")
	application = matching(`^[^@|^~\\&\pC ]([^@|^~\\&\pC]{0,98}[^@|^~\\&\pC ])?(@[^@|^~\\&\pC ]([^@|^~\\&\pC]{0,98}[^@|^~\\&\pC ])?)?$`, "not an application; write MSH-3 alone or MSH-3@MSH-4: RIS@NORTH")
	detail      = matching(`^([A-Z0-9]{3}(\^([A-Z0-9]{3}|\*))?|[0-9]+(\.[0-9]+)+)$`, "not a detail; write ORU^R01, ADT^* (all of ADT) or the UID of a SOP class")

	path     = matching(`^[^ \pC-]([^\pC]*[^ \pC])?$`, "not the path of a file")
	sentence = matching(`^[^\pC\pZ]([^\pC]{0,298}[^\pC\pZ])?$`, "write one line of text, up to 300 letters, without control characters")
	host     = regexp.MustCompile(`^[A-Za-z0-9:.%_-]{1,253}$`)
)

// grouped is what a codec reads, or a group behind its word.
func grouped(other codec[string]) codec[string] {
	return codec[string]{func(text string) (string, error) {
		name, found := strings.CutPrefix(text, "group:")
		if !found {
			return other.parse(text)
		}
		_, err := group.parse(name)
		return text, err
	}, other.print}
}

// choice is one of a few words.
func choice[T ~string](all ...T) codec[T] {
	names := make([]string, 0, len(all))
	for _, a := range all {
		names = append(names, string(a))
	}
	return codec[T]{func(text string) (T, error) {
		for _, a := range all {
			if string(a) == text {
				return a, nil
			}
		}
		if near := nearest(text, names); near != "" {
			return "", fmt.Errorf("unknown; did you mean %s? (%s)", near, strings.Join(names, ", "))
		}
		return "", fmt.Errorf("unknown; write one of %s", strings.Join(names, ", "))
	}, func(x T) string { return string(x) }}
}

func yes() codec[bool] {
	return codec[bool]{func(text string) (bool, error) {
		if text != "true" && text != "false" {
			return false, errors.New("write true or false")
		}
		return text == "true", nil
	}, strconv.FormatBool}
}

func retention() codec[ledger.Retention] {
	return codec[ledger.Retention]{ledger.ParseRetention, ledger.Retention.String}
}

func span() codec[Span] { return codec[Span]{parseSpan, Span.String} }

func zone() codec[string] {
	return codec[string]{func(text string) (string, error) {
		if _, err := time.LoadLocation(text); err != nil || text == "" || text == "Local" {
			return "", errors.New("not the name of a zone; for example Europe/Berlin, America/New_York or UTC")
		}
		return text, nil
	}, func(s string) string { return s }}
}

// network reads a network, or an address as a network of one.
func network() codec[netip.Prefix] {
	return codec[netip.Prefix]{func(text string) (netip.Prefix, error) {
		p, err := chaperone.ParseNetwork(text)
		switch {
		case errors.Is(err, chaperone.ErrNoNetwork) || strings.Contains(text, "%"):
			return netip.Prefix{}, errors.New("not an address or network; for example 10.1.0.7 or 10.1.0.0/24")
		case err != nil:
			return netip.Prefix{}, err
		case p != p.Masked():
			return netip.Prefix{}, fmt.Errorf("an address with the length of a network; write %s, or the address alone", p.Masked())
		}
		return p, nil
	}, func(p netip.Prefix) string {
		if p.IsSingleIP() {
			return p.Addr().String()
		}
		return p.String()
	}}
}

// listen reads an own address.
func listen() codec[netip.AddrPort] {
	return codec[netip.AddrPort]{func(text string) (netip.AddrPort, error) {
		a, err := netip.ParseAddrPort(text)
		if err != nil || a.Port() == 0 || a.Addr().Is4In6() {
			return netip.AddrPort{}, errors.New("not an address with a port; for example 0.0.0.0:2575 (every network) or 127.0.0.1:2575")
		}
		return a, nil
	}, netip.AddrPort.String}
}

// remote reads the address of another system.
func remote() codec[string] {
	return codec[string]{func(text string) (string, error) {
		name, port, err := net.SplitHostPort(text)
		n, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || n == 0 || !host.MatchString(name) {
			return "", errors.New("not a system with a port; for example 10.2.0.10:104 or pacs.clinic.example:104")
		}
		return text, nil
	}, func(s string) string { return s }}
}
