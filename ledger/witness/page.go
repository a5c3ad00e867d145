package witness

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// page says in plain text what the witness has seen.
func (w *Witness) page(rw http.ResponseWriter) {
	var b strings.Builder
	fmt.Fprintf(&b, "witness %s\nkey     %s\n", w.signer.Name(), w.signer.VerifierKey())
	origins := make([]string, 0, len(w.logs))
	for origin := range w.logs {
		origins = append(origins, origin)
	}
	slices.Sort(origins)
	for _, origin := range origins {
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
	for _, fork := range l.forks {
		fmt.Fprintf(b, "FORK    a checkpoint that does not continue this one was signed: see %s/%s\n", forksFolder, fork.name)
	}
}
