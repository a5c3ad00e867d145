package site

import (
	"fmt"
	"strings"
)

// unknown says that a block has no such key, and which may be meant.
func unknown(key string, b block) string {
	keys := make([]string, 0, len(b.fields))
	for _, f := range b.fields {
		keys = append(keys, f.key)
	}
	if near := nearest(key, keys); near != "" {
		return fmt.Sprintf("unknown key %s in %s; did you mean %s?", shown(key), b.what, near)
	}
	return fmt.Sprintf("unknown key %s in %s; there are: %s", shown(key), b.what, strings.Join(keys, ", "))
}

// meant gives the end of a message about a word that is not among those known.
func meant(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	if len(known) == 0 {
		return ""
	}
	if len(known) > 12 {
		return fmt.Sprintf("; there are: %s and %d more", strings.Join(known[:12], ", "), len(known)-12)
	}
	return "; there are: " + strings.Join(known, ", ")
}

// nearest gives the known word that takes the fewest changes, "" when that would be another word.
func nearest(word string, known []string) string {
	const longest = 64 // longer ones are no slips of a finger
	if len(word) > longest {
		return ""
	}
	best, fewest := "", 0
	for _, k := range known {
		if len(k) > longest {
			continue
		}
		if d := changes(strings.ToLower(word), k); 2*d <= len(k) && (best == "" || d < fewest) {
			best, fewest = k, d
		}
	}
	return best
}

// changes counts the letters to insert, remove or replace (Levenshtein).
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, replace)
		}
	}
	return row[len(b)]
}
