package clinicsim

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Folder is the evidence of a week, by file name, and the truth about it.
type Folder struct {
	Files map[string][]byte
	Truth TheftTruth
}

// Names gives the names of the files in their order.
func (f *Folder) Names() []string { return slices.Sorted(maps.Keys(f.Files)) }

// Size gives the bytes of all files.
func (f *Folder) Size() int64 {
	n := int64(0)
	for _, b := range f.Files {
		n += int64(len(b))
	}
	return n
}

// borderSnap is the snap length at the border: a frame, but no bulk segment.
const borderSnap = 1518

// Theft plays a week of the clinic and, if the options say so, the theft in it. Two taps see it: one inside, and one
// at the border, where what is opened from inside to the outside passes.
func Theft(o TheftOptions) (*Folder, error) {
	var inner, border bytes.Buffer
	in, err := newFileWriter(&inner, "core0", wholePackets)
	if err != nil {
		return nil, err
	}
	out, err := newFileWriter(&border, "border0", borderSnap)
	if err != nil {
		return nil, err
	}
	w := newWeek(o, func(p Packet) error {
		if outbound(p.Frame) {
			return out.packet(p)
		}
		return in.packet(p)
	})
	traffic, err := w.play()
	if err != nil {
		return nil, err
	}
	for _, f := range []*fileWriter{in, out} {
		if err := f.w.Flush(); err != nil {
			return nil, err
		}
	}
	f := &Folder{Files: map[string][]byte{"inside.pcapng": inner.Bytes(), "border.pcapng": border.Bytes(), "hosts.csv": premisesCSV()}}
	if w.theft != nil {
		if w.theft.clears {
			w.logs.cut(w.theft.entry, channelSecurity, w.theft.times["persisted"][1])
		}
		f.Files["dump.csv"], f.Files["post.txt"] = w.theft.sell()
	}
	logs, err := w.logs.files()
	if err != nil {
		return nil, err
	}
	maps.Copy(f.Files, logs)
	f.Truth = w.truth(traffic)
	return f, nil
}

// outbound tells whether a frame belongs to a connection that was opened from inside to the outside: clients use the
// high ports.
func outbound(frame []byte) bool {
	from, to := netip.AddrFrom4([4]byte(frame[26:30])), netip.AddrFrom4([4]byte(frame[30:34]))
	source, target := binary.BigEndian.Uint16(frame[34:]), binary.BigEndian.Uint16(frame[36:])
	switch {
	case inside(from) && inside(to):
		return false
	case inside(from):
		return target < 49152
	}
	return source < 49152
}

// WriteTheft plays a week into a folder, which is made if it is not there; the truth is beside, as truth.json.
func WriteTheft(dir string, o TheftOptions) (TheftTruth, error) {
	f, err := Theft(o)
	if err != nil {
		return TheftTruth{}, err
	}
	return f.Truth, f.Write(dir)
}

// Write writes the files and the truth.
func (f *Folder) Write(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return err
	}
	for _, name := range f.Names() {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), f.Files[name], 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "truth.json"), f.Truth.JSON(), 0o644)
}
