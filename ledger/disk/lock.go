package disk

import "fmt"

// errInUse says that another process has the ledger open.
func errInUse(path string) error {
	return fmt.Errorf("%s: another process has this ledger open; while one records nobody else can open it: stop it first, or ask a copy that was made before (ledger backup, ledger restore)", path)
}
