//go:build !race

package site

const slow = false
