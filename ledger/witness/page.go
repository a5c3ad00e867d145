package witness

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// page says in plain text what the witness has seen.
func (w *Witness) page(rw http.ResponseWriter) {
	var b strings.Builder
	fmt.Fprintf(&b, "witness %s\nkey     %s\n", w.signer.Name(), w.signer.VerifierKey())
	for _, origin := range slices.Sorted(maps.Keys(w.logs)) {
		w.logs[origin].describe(&b)
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(rw, b.String()) // the reader is gone: nothing to do
}

func (l *log) describe(b *strings.Builder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(b, "\nlog     %s\n", l.origin)
	if l.signed == nil {
		b.WriteString("        nothing cosigned yet\n")
	} else {
		fmt.Fprintf(b, "batches %d\nroot    %s\n", l.tree.N, l.tree.Hash)
	}
	for i := range l.forks {
		b.WriteString(l.forks[i].String() + "\n")
	}
}

// String says in a line what a piece of evidence is, and where.
func (f *fork) String() string {
	says := "FORK?   a checkpoint of %d batches was signed and came without a right proof; it is not shown yet to be of this history: see %s/%s"
	switch {
	case f.proof && f.tree.N < 0:
		return fmt.Sprintf("FORK    evidence that cannot be read: see %s/%s", forksFolder, f.name)
	case f.proof:
		says = "FORK    two checkpoints of %d batches with two roots were signed: see %s/%s"
	}
	return fmt.Sprintf(says, f.tree.N, forksFolder, f.name)
}

// Evidence says in a line each what the witness keeps against the logs that it knows.
func (w *Witness) Evidence() (lines []string) {
	for _, origin := range slices.Sorted(maps.Keys(w.logs)) {
		l := w.logs[origin]
		l.mu.Lock()
		for i := range l.forks {
			lines = append(lines, origin+": "+l.forks[i].String())
		}
		l.mu.Unlock()
	}
	return lines
}
