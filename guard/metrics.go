package guard

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaperone/policy"
)

// metrics are the numbers that an operator watches. None of them bears patient data, and their labels come from the site file
// and from the list of reasons.
type metrics struct {
	registry    *prometheus.Registry
	connections *prometheus.GaugeVec
	held        *prometheus.GaugeVec
	turned      *prometheus.CounterVec
	decisions   *prometheus.CounterVec
	deciding    prometheus.Histogram
	recording   prometheus.Histogram
	rejected    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chaperone_guard_connections", Help: "Connections that are open."}, []string{"listener"}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chaperone_guard_held", Help: "Connections whose queue waits behind a message that is held (refuse: hold)."}, []string{"listener"}),
		turned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaperone_guard_turned_away_total", Help: "Connections that ended before or because of what they are, by why: shed, handshake, stranger, malformed, silent, unrecorded; and how often something passed a listener that observes unread."}, []string{"listener", "why"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaperone_guard_decisions_total", Help: "Messages decided, by reason; granted and control are those that passed."}, []string{"listener", "reason"}),
		deciding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chaperone_guard_decision_seconds", Help: "Time to read and decide a message.", Buckets: prometheus.ExponentialBuckets(1e-6, 4, 12)}),
		recording: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chaperone_guard_record_seconds", Help: "Time until a release is on record.", Buckets: prometheus.ExponentialBuckets(1e-5, 3, 12)}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chaperone_guard_spool_rejected_total", Help: "Messages that were kept and that the system that they were for did not take."}, []string{"listener"}),
	}
	m.registry.MustRegister(m.connections, m.held, m.turned, m.decisions, m.deciding, m.recording, m.rejected)
	return m
}

// gauge lets a number of the guard as a whole be watched.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chaperone_guard_" + name, Help: help}, value))
}

func (m *metrics) connection(listener string, n float64) {
	m.connections.WithLabelValues(listener).Add(n)
}
func (m *metrics) waits(listener string, n float64) { m.held.WithLabelValues(listener).Add(n) }
func (m *metrics) shed(listener string)             { m.turned.WithLabelValues(listener, "shed").Inc() }
func (m *metrics) handshake(listener string)        { m.turned.WithLabelValues(listener, "handshake").Inc() }
func (m *metrics) stranger(listener string)         { m.turned.WithLabelValues(listener, "stranger").Inc() }
func (m *metrics) silent(listener string)           { m.turned.WithLabelValues(listener, "silent").Inc() }
func (m *metrics) malformed(listener string)        { m.turned.WithLabelValues(listener, "malformed").Inc() }
func (m *metrics) unrecorded(listener string)       { m.turned.WithLabelValues(listener, "unrecorded").Inc() }
func (m *metrics) unread(listener string)           { m.turned.WithLabelValues(listener, "unread").Add(1) }
func (m *metrics) recorded(d time.Duration)         { m.recording.Observe(d.Seconds()) }

func (m *metrics) decided(listener string, reason policy.Reason, d time.Duration) {
	m.decisions.WithLabelValues(listener, string(reason)).Inc()
	if d > 0 {
		m.deciding.Observe(d.Seconds())
	}
}
