package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"chaperone/site"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"chaperone": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(status)
		},
	})
}

// TestScripts runs the real command by the scripts in testdata. $DATA is the repository's testdata.
func TestScripts(t *testing.T) {
	data, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", data)
			e.Setenv("TZ", "UTC")
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "cut": cut, "wide": wide, "rubbish": rubbish,
			"hold": hold, "jsonlines": jsonLines, "oneline": oneLine, "proven": proven, "listing": listing, "flip": flip, "find": find, "goodsite": goodSite,
		},
	})
}

// status runs chaperone and wants that exit status: status 2 watch nothing.pcap. Output is as after exec.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("chaperone", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// goodSite fails when a site file is not good: goodsite FILE.
func goodSite(ts *testscript.TestScript, _ bool, args []string) {
	_, err := site.Load(ts.MkAbs(args[0]))
	ts.Check(err)
}

// cut copies the first n bytes of a file: cut FROM TO N.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	var n int
	if _, err := fmt.Sscan(args[2], &n); err != nil {
		ts.Fatalf("cut: %v", err)
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:n], 0o600))
}

// wide fails when a line of stdout has more than n characters: wide N.
func wide(ts *testscript.TestScript, _ bool, args []string) {
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		ts.Fatalf("wide: %v", err)
	}
	for i, line := range strings.Split(ts.ReadFile("stdout"), "\n") {
		if len([]rune(line)) > n {
			ts.Fatalf("line %d has %d characters, want at most %d", i+1, len([]rune(line)), n)
		}
	}
}
