package investigate

import (
	"fmt"
	"strings"

	"chaperone/page"
)

// mapWords tells the lines of the theft for those who do not see the map.
func (t *text) mapWords() []string {
	var words []string
	said := map[string]int{}
	for _, l := range t.theft() {
		stage := string(t.Story.Steps[l.stage-1].Stage)
		line := fmt.Sprintf("%d %s: ", l.stage, stage)
		switch {
		case l.from.IsValid() && l.to.IsValid() && l.from != l.to:
			line += t.host(l.from) + " → " + t.host(l.to)
		case l.to.IsValid():
			line += "on " + t.host(l.to)
		case l.from.IsValid():
			line += "by " + t.host(l.from)
		default:
			continue
		}
		if said[line]++; said[line] == 1 && len(words) < maxTable {
			words = append(words, safe(line, 300))
		}
	}
	return words
}

// says is what the map is called by those who cannot see it.
func (c *scene) says() string {
	var parts []string
	for g, name := range groupNames {
		n := 0
		for _, b := range c.boxes {
			if b.group == group(g) {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", strings.ToLower(name), page.Count(n, "system")))
		}
	}
	return fmt.Sprintf("%s. %s of the theft and %s are drawn; the list and the tables below say the same in words.",
		strings.Join(parts, ", "), page.Count(len(c.theft), "line"), page.Count(len(c.strands), "ordinary exchange"))
}
