package site

import _ "embed" // the example is what the tests read, too

// Example is a site file with every key and what it means.
//
//go:embed testdata/example.yaml
var Example string
