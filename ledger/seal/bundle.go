package seal

import (
	"encoding/binary"
	"strconv"
)

// BundlePath is where C2SP tlog-tiles has an entry bundle: of leaves n·256 on, below the log's prefix. width is 256 or,
// at the end of a log, less. A ledger keeps none, because the record has the leaves; an export makes them.
func BundlePath(n uint64, width int) string {
	path := "tile/entries/" + numberPath(n)
	if width < tileWidth {
		path += ".p/" + strconv.Itoa(width)
	}
	return path
}

// AppendBundle adds a leaf to an entry bundle: its length in two bytes, then its data.
func AppendBundle(b, leaf []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(leaf)))
	return append(b, leaf...)
}
