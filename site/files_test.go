package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// listening is a listener, without which no guard can work with a file.
const listening = "parties: [{name: ehr, role: engine}]\nlisteners: [{name: a, protocol: hl7, listen: \"127.0.0.1:2575\", tls: none, because: x, upstream: {address: \"127.0.0.1:1\", tls: none, party: ehr}}]\n"

// TestCheck: what is named is there, can be read, and is nobody else's business where it must not be.
func TestCheck(t *testing.T) {
	const text = "site: a\ninside: [10.0.0.0/8]\nledger: /var/ledger\nkeys: /etc/keys\nidentity:\n  authority: /etc/authority\n" +
		"  roots: [/etc/root.pem]\n  crls: [/etc/crl]\n  certificate: /etc/own.pem\n  key: /etc/own.key\ncedar: [/etc/own.cedar]\n" + listening
	file := func(mode fs.FileMode) *fstest.MapFile { return &fstest.MapFile{Data: []byte("x"), Mode: mode} }
	ill := func(err error) *fstest.MapFile { return &fstest.MapFile{Sys: err} }
	denied := ill(fs.ErrPermission)
	dir := func(mode fs.FileMode) *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeDir | mode} }
	for _, test := range []struct {
		name   string
		change fstest.MapFS
		want   string
		modes  bool // it is about modes, which Windows has not
	}{
		{"all is there", nil, "", false},
		{"folders that will be made", fstest.MapFS{"etc/keys": nil, "var/ledger": nil, "var": dir(0o755)}, "", false},
		{"nowhere to make it", fstest.MapFS{"var/ledger": nil}, "f:3: ledger: /var is not there; make the folder, ledger is then made in it", false},
		{"a file instead of a folder", fstest.MapFS{"etc/authority": file(0o600), "etc/authority/x": nil}, "f:6: authority: /etc/authority is a file; a folder is wanted", false},
		{"a folder instead of a file", fstest.MapFS{"etc/root.pem": dir(0o755)}, "f:7: roots: /etc/root.pem is a folder; a file is wanted", false},
		{"nothing", fstest.MapFS{"etc/crl": nil, "etc/own.cedar": nil}, "f:8: crls: /etc/crl is not there\nf:11: cedar: /etc/own.cedar is not there", false},
		{"a file that others own", fstest.MapFS{"etc/own.key": denied}, "f:10: key: /etc/own.key cannot be read by the user who runs this: permission denied", false},
		{"a folder of keys that others own", fstest.MapFS{"etc/keys": denied}, "f:4: keys: /etc/keys cannot be read by the user who runs this: permission denied", false},
		{"a ledger that others own", fstest.MapFS{"var/ledger": denied}, "f:3: ledger: /var/ledger cannot be read by the user who runs this: permission denied", false},
		{"a ledger in a folder that others own", fstest.MapFS{"var/ledger": nil, "var": denied}, "f:3: ledger: /var cannot be read by the user who runs this: permission denied", false},
		{"a disk that is ill", fstest.MapFS{"etc/own.pem": ill(syscall.EIO)}, "f:9: certificate: /etc/own.pem cannot be read: " + syscall.EIO.Error(), false},
		{"a name that is too long", fstest.MapFS{"etc/own.pem": ill(syscall.ENAMETOOLONG)}, "f:9: certificate: /etc/own.pem cannot be read: " + syscall.ENAMETOOLONG.Error(), false},
		{"a name that none can be", fstest.MapFS{"etc/own.pem": ill(syscall.EINVAL)}, "f:9: certificate: /etc/own.pem cannot be read: " + syscall.EINVAL.Error(), false},
		{"a folder that is read", fstest.MapFS{"etc/own.pem": ill(syscall.EISDIR)}, "f:9: certificate: /etc/own.pem cannot be read: " + syscall.EISDIR.Error(), false},
		{"a link to itself", fstest.MapFS{"etc/own.pem": ill(syscall.ELOOP)}, "f:9: certificate: /etc/own.pem cannot be read: " + syscall.ELOOP.Error(), false},
		{"a folder that will be made and has no name", fstest.MapFS{"etc/keys": ill(syscall.ENAMETOOLONG)}, "f:4: keys: /etc/keys cannot be read: " + syscall.ENAMETOOLONG.Error(), false},
		{"an empty file", fstest.MapFS{"etc/own.pem": {Mode: 0o644}}, "f:9: certificate: /etc/own.pem is empty", false},
		{"a key for all", fstest.MapFS{"etc/own.key": file(0o640)}, "f:10: key: others can read /etc/own.key, and then be the guard; chmod 600 /etc/own.key", true},
		{"keys for all", fstest.MapFS{"etc/keys": dir(0o755)}, "f:4: keys: others can open /etc/keys; chmod 700 /etc/keys", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.modes && runtime.GOOS == "windows" {
				t.Skip("Windows has access lists instead of modes")
			}
			disk := fstest.MapFS{"var/ledger": dir(0o700), "etc/keys": dir(0o700), "etc/authority": dir(0o700), "etc/authority/x": file(0o600), "etc/root.pem": file(0o644),
				"etc/crl": file(0o644), "etc/own.pem": file(0o644), "etc/own.key": file(0o600), "etc/own.cedar": file(0o644)}
			for name, f := range test.change {
				if f == nil {
					delete(disk, name)
				} else {
					disk[name] = f
				}
			}
			problems := parse(t, text).Check(func(path string) (fs.File, error) {
				name := strings.TrimPrefix(filepath.ToSlash(path), "/")
				if f := disk[name]; f != nil && f.Sys != nil {
					return nil, &fs.PathError{Op: "open", Path: path, Err: f.Sys.(error)}
				}
				f, err := disk.Open(name)
				if err != nil {
					return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
				}
				return f, nil
			})
			bad := &Error{"f", problems}
			if got := filepath.ToSlash(bad.Error()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got, want := bad.Unread(), strings.Contains(test.want, "permission denied") || strings.Contains(test.want, syscall.EIO.Error()); got != want {
				t.Errorf("unread: got %t, want %t", got, want)
			}
		})
	}
}

// TestCheckDisk: the same on a real disk.
func TestCheckDisk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "site.yaml", "site: a\ninside: [10.0.0.0/8]\nledger: ledger\nidentity: {key: own.key}\n"+listening)
	put(t, dir, "own.key", "x")
	s, err := Load(filepath.Join(dir, "site.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(path string) (fs.File, error) { return os.Open(path) }
	if problems := s.Check(open); problems != nil {
		t.Errorf("got %v, want nothing", problems)
	}
	if err := os.Remove(filepath.Join(dir, "own.key")); err != nil {
		t.Fatal(err)
	}
	if problems := s.Check(open); len(problems) != 1 || problems[0].Line != 4 || !strings.HasSuffix(problems[0].Text, "own.key is not there") {
		t.Errorf("got %v, want that the key is not there", problems)
	}
}

// TestCheckCut: a file that was cut before its listeners, which stand last, is not taken.
func TestCheckCut(t *testing.T) {
	text, _, _ := strings.Cut("site: a\ninside: [10.0.0.0/8]\n"+listening, "listeners:")
	problems := parse(t, text).Check(func(path string) (fs.File, error) { return os.Open(path) })
	if len(problems) != 1 || problems[0].Severity != Wrong || !strings.Contains(problems[0].Text, "there are no listeners") {
		t.Errorf("got %v, want that there are no listeners", problems)
	}
}

// TestMistaken: who names a file as a folder made a mistake, which no other user would not have made; a file that others own is none.
func TestMistaken(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "x")
	for _, name := range []string{"none", filepath.Join("file", "x"), strings.Repeat("x", 5000), "a\x00b"} {
		if _, err := os.Open(filepath.Join(dir, name)); !Mistaken(err) {
			t.Errorf("%.9q: got %q", name, err)
		}
	}
	if _, err := readFile(dir); !Mistaken(err) {
		t.Errorf("a folder: got %v", err)
	}
	if Mistaken(&fs.PathError{Err: fs.ErrPermission}) || Mistaken(&fs.PathError{Err: syscall.EIO}) {
		t.Error("another user, or another day, may not have it")
	}
	put(t, dir, "long", strings.Repeat("x", maxFile+1))
	if _, err := readFile(filepath.Join(dir, "long")); !Mistaken(err) {
		t.Errorf("too long: got %v", err)
	}
}

// TestLoadUnread: a Cedar file that may not be read may be good, and one that cannot be named is not.
func TestLoadUnread(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.yaml")
	put(t, dir, "site.yaml", "site: a\ninside: [10.0.0.0/8]\ncedar: [own.cedar]\n")
	put(t, dir, "own.cedar", "forbid (principal, action, resource);")
	for _, test := range []struct {
		name   string
		change func(path string) error
		want   bool
	}{
		{"another's", func(path string) error { return os.Chmod(path, 0) }, true},
		{"a folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.want && (os.Geteuid() == 0 || runtime.GOOS == "windows") {
				t.Skip("root may read everything, and Windows has access lists instead of modes")
			}
			if err := test.change(filepath.Join(dir, "own.cedar")); err != nil {
				t.Fatal(err)
			}
			var bad *Error
			if _, err := Load(path); !errors.As(err, &bad) || bad.Unread() != test.want {
				t.Errorf("got %v, want unread: %t", err, test.want)
			}
		})
	}
}
