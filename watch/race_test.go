//go:build race

package watch

// raceEnabled shortens the longest tests under the race detector, which is ten times slower.
const raceEnabled = true
