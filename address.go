package chaperone

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrNoNetwork is what ParseNetwork says of a text that is neither an address nor a network.
var ErrNoNetwork = errors.New("neither an address nor a network; for example 192.0.2.10 or 192.0.2.0/24")

// ParseAddress reads an address as all of this program compares it: an IPv4 address that is written as IPv6 (RFC 4291 2.5.5.2) is
// that IPv4 address, and the zone is left out, since no capture tells it.
func ParseAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err
}

// mapped has all IPv4 addresses that are written as IPv6.
var mapped = netip.MustParsePrefix("::ffff:0:0/96")

// ParseNetwork reads a network, or an address as a network of one. What is mapped into IPv6 is the IPv4 network it stands for. One
// that would have IPv4 addresses only as a part of it is refused: since no IPv4 address is ever compared as IPv6, it would silently
// miss them all. Bits behind the network's length stay: whoever forgives them asks for Masked.
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := ParseAddress(text); err == nil && !strings.Contains(text, "/") { // a zone may have one
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, ErrNoNetwork
	case p.Addr().Is4In6() && p.Bits() >= mapped.Bits():
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped.Bits()), nil
	case p.Addr().Is4In6() && p.Bits() <= 32: // somebody wrote the length that the network has in IPv4
		return netip.Prefix{}, fmt.Errorf("IPv4 written as IPv6, with a length that is too short for it; write %s", netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
	case p.Addr().Is6() && p.Overlaps(mapped):
		return netip.Prefix{}, errors.New("IPv4 and IPv6 in one network; write 0.0.0.0/0 for all of IPv4, and 2000::/3 and fc00::/7 for the networks of IPv6")
	}
	return p, nil
}
