package keys

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestReplaceFails: a file that could not be written, as on a full disk, or not be put in its place, leaves nothing behind.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path, temp := filepath.Join(dir, "20261128.key"), filepath.Join(dir, "20261128.key.new")
	if err := os.Mkdir(path, 0o700); err != nil { // no file takes its place
		t.Fatal(err)
	}
	if err := replace(path, temp, []byte("key")); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := os.Lstat(temp); err == nil {
		t.Error("not put in its place: left behind")
	}
	if runtime.GOOS != "linux" {
		return
	}
	if err := os.Symlink("/dev/full", temp); err != nil {
		t.Fatal(err)
	}
	if err := replace(path, temp, []byte("key")); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v, want that the disk is full", err)
	}
	if _, err := os.Lstat(temp); err == nil {
		t.Error("on a full disk: left behind")
	}
}

// TestDayKeyAdvice: the keys of days are in the backup of the ledger, and in no other.
func TestDayKeyAdvice(t *testing.T) {
	dir, d, _ := madeDay(t)
	put(t, dayFile(dir), []byte("damaged"))
	_, damaged := d.Key(testDay)
	_, missing := d.Key(testDay - 1)
	for _, err := range []error{damaged, missing} {
		if err == nil || !strings.Contains(err.Error(), "from a backup of the ledger") {
			t.Errorf("got %v", err)
		}
	}
}
