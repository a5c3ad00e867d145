package guard

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chaperone/identity"
	"chaperone/policy"
	"chaperone/site"
)

// Check says what of a site file that was read cannot be guarded by, its policy, and what of that may be a slip of the pen.
func Check(s *site.Site) (doubts []policy.Problem, err error) {
	r, err := newRules(s)
	if err != nil {
		return nil, err
	}
	return r.policy.Doubts(), nil
}

// Status answers /metrics in Prometheus' format, and /healthz: 200 while connections are taken and releases can be recorded.
func (g *Guard) Status() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		draining, open := g.draining, len(g.conns)
		g.mu.Unlock()
		if why := g.ill.Load(); draining || why != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			if draining {
				fmt.Fprintln(w, "ending")
			} else {
				fmt.Fprintln(w, *why)
			}
			return
		}
		status, word, waits := http.StatusOK, "well", ""
		for _, k := range g.spoolers() {
			if state := k.state(g.now()); state != "" {
				waits += "; " + state
			}
			if k.ill.Load() != nil {
				status, word = http.StatusServiceUnavailable, "a listener passes no messages on"
			}
		}
		switch term, text := g.ownTerm(); term {
		case identity.Over:
			status, word = http.StatusServiceUnavailable, "the guard's own certificate is over"
			waits += "; " + text
		case identity.Ending:
			waits += "; " + text
		}
		if g.notTaken.Load() != nil {
			waits += "; the last site file was not taken"
		}
		if n := g.waiting.Load(); n > 0 {
			waits += fmt.Sprintf("; queues that wait behind a held message: %d", n)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s; policy %s; %d connections%s\n", word, g.rules.Load().site.Version, open, waits)
	})
	return mux
}
