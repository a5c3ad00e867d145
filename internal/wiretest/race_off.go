//go:build !race

package wiretest

// slow divides what the costliest promises do.
const slow = 1
