package site

import "strings"

// IsTitle reports whether a file can hold an AE title.
func IsTitle(text string) bool { _, err := title.parse(text); return err == nil }

// IsApplication reports whether a file can hold the name of an application, with its facility or without.
func IsApplication(text string) bool { _, err := application.parse(text); return err == nil }

// IsDetail reports whether a grant can name a message type or SOP class.
func IsDetail(text string) bool { _, err := detail.parse(text); return err == nil }

// NameOf makes the name of a party of what people call it: "Front desk" is front-desk. It is "" when nothing is left.
func NameOf(text string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-':
			return c
		}
		return '-'
	}, strings.ToLower(text))
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	name = strings.Trim(name, ".-")
	name = strings.TrimRight(name[:min(len(name), 60)], ".-")
	if name == self {
		name += "-1"
	}
	return name
}
