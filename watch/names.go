package watch

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"chaperone"
)

// Names gives systems the names people know them by.
type Names map[netip.Addr]string

// Of gives the name of an address, "" when it has none.
func (n Names) Of(a netip.Addr) string { return n[a.Unmap()] }

// LoadNames reads a CSV file of address and name. A first line that begins with no address is a heading; lines that
// begin with # are comments.
func LoadNames(path string) (Names, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	r.Comment = '#'
	r.TrimLeadingSpace = true
	names := Names{}
	for line := 1; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(row) < 2 {
			return nil, fmt.Errorf("%s: line %d: want two columns, address,name", path, line)
		}
		addr, err := chaperone.ParseAddress(strings.TrimSpace(strings.TrimPrefix(row[0], "\ufeff")))
		if err != nil {
			if line == 1 {
				continue
			}
			return nil, fmt.Errorf("%s: line %d: the first column is not an IP address", path, line)
		}
		names[addr] = strings.TrimSpace(row[1])
	}
}
