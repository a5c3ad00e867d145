//go:build race

package site

const slow = true // the race detector takes several times as long
