//go:build race

package wiretest

// slow divides what the costliest promises do: the race detector makes everything ten times slower.
const slow = 8
