package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// metric is one that the house tells: what docs/production/metrics.md has a row of.
type metric struct {
	name   string
	kind   string // of Prometheus
	labels string // between commas
	help   string
	of     func(s *Server, m *samples)
}

// metricTable are all, in the order in which they are told.
var metricTable = []metric{
	{"lentil_build_info", "gauge", "version", "always 1", func(s *Server, m *samples) { m.put(1, s.cfg.Version) }},
	{"lentil_ready", "gauge", "", "1 while the house takes work, 0 while it starts or stops", func(s *Server, m *samples) { m.put(truth(s.readiness().Ready)) }},
	{"lentil_problems", "gauge", "", "what `lentil status` says a person should look at", func(s *Server, m *samples) { m.put(float64(len(s.Status().Problems))) }},
	{"lentil_deployments_open", "gauge", "", "deployments that are open; others open when they are asked for", func(s *Server, m *samples) { m.put(float64(len(s.fleet.vessels()))) }},

	{"lentil_requests_total", "counter", "deployment,front,code", "requests answered, by the class of their status; cut: the connection was cut instead", (*Server).tellRequests},
	{"lentil_request_seconds", "histogram", "deployment,front", "how long answers took, without sockets", (*Server).tellDurations},
	{"lentil_refused_total", "counter", "", "connections and requests that were too many", func(s *Server, m *samples) { m.put(float64(s.admission.refused.Load())) }},
	{"lentil_connections", "gauge", "", "open HTTP connections", func(s *Server, m *samples) { m.put(float64(s.admission.connections.Load())) }},

	{"lentil_sockets", "gauge", "deployment", "open sockets of live queries", each(func(v *vessel) float64 { return float64(v.sync.Connections()) })},
	{"lentil_sockets_refused_total", "counter", "deployment", "sockets that were too many, since the deployment was opened", each(func(v *vessel) float64 { return float64(v.sync.Refused()) })},
	{"lentil_subscriptions", "gauge", "deployment", "distinct sets of reads that are watched for changes", each(func(v *vessel) float64 { return float64(v.deployment.DB.Stats().Subscriptions) })},
	{"lentil_store_bytes", "gauge", "deployment", "documents and their history on disk; the deployment \"\" is the house's own store", func(s *Server, m *samples) {
		m.put(float64(s.db.Stats().DiskBytes), "")
		each(func(v *vessel) float64 { return float64(v.deployment.DB.Stats().DiskBytes) })(s, m)
	}},

	{"lentil_workers", "gauge", "state", "functions that run JavaScript, and how many may", func(s *Server, m *samples) {
		e := s.engine.Stats()
		m.put(float64(e.Running), "running")
		m.put(float64(e.Workers), "limit")
	}},
	{"lentil_queue", "gauge", "", "functions that wait for a worker", func(s *Server, m *samples) { m.put(float64(s.engine.Stats().Queued)) }},
	{"lentil_parked_threads", "gauge", "", "threads lost to fatal errors of the JavaScript engine", func(s *Server, m *samples) { m.put(float64(s.engine.Stats().Parked)) }},

	{"lentil_sign_ins_total", "counter", "method,outcome", "proofs of who somebody is: password, passkey, sso, …; succeeded or failed", (*Server).tellTally},
	{"lentil_events_total", "counter", "event", "events of the identity service, as webhooks know them", (*Server).tellTally},
	{"lentil_refreshes_total", "counter", "outcome", "sessions that went on, or did not: renewed, refused", (*Server).tellTally},
	{"lentil_mails_total", "counter", "outcome", "mails: sent, failed", (*Server).tellTally},
	{"lentil_webhook_attempts_total", "counter", "outcome", "attempts to deliver events: delivered, failed", (*Server).tellTally},

	{"lentil_certificate_expiry_seconds", "gauge", "host,source", "when the certificate of a host ends, in seconds since 1970", (*Server).tellCertificates},

	{"lentil_backup_age_seconds", "gauge", "", "how long ago the house was as it could be restored; nothing where no backup is made all the time", func(s *Server, m *samples) {
		if s.backup != nil && !s.backup.State().Through.IsZero() {
			m.put(s.backup.State().Behind)
		}
	}},
	{"lentil_backup_failing", "gauge", "", "1 while the backup fails", func(s *Server, m *samples) {
		if s.backup != nil {
			m.put(truth(!s.backup.State().Failing.IsZero()))
		}
	}},

	{"lentil_disk_free_bytes", "gauge", "", "room on the disk of the data directory", func(s *Server, m *samples) { m.put(float64(s.Status().DiskFreeBytes)) }},
	{"process_start_time_seconds", "gauge", "", "when the house was started, in seconds since 1970", func(s *Server, m *samples) { m.put(float64(s.began.UnixMilli()) / 1000) }},
	{"process_cpu_seconds_total", "counter", "", "time on processors, of this process alone", func(_ *Server, m *samples) { m.put(cpuSeconds()) }},
	{"process_resident_memory_bytes", "gauge", "", "memory of the process", func(_ *Server, m *samples) { m.put(float64(resident())) }},
	{"process_open_fds", "gauge", "", "open files of the process", func(_ *Server, m *samples) { m.put(float64(openFiles())) }},
	{"process_max_fds", "gauge", "", "files that the process may open", func(s *Server, m *samples) { m.put(float64(s.files)) }},
	{"go_goroutines", "gauge", "", "goroutines", func(_ *Server, m *samples) { m.put(float64(runtime.NumGoroutine())) }},
	{"go_heap_objects_bytes", "gauge", "", "memory of Go's heap that is in use", func(_ *Server, m *samples) { m.put(float64(goMemory("/memory/classes/heap/objects:bytes"))) }},
}

// MetricsTable is the table of metrics for the documentation, in Markdown.
func MetricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | what |\n|---|---|---|---|\n")
	for _, m := range metricTable {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.ReplaceAll(m.labels, ",", ", "), m.help)
	}
	return b.String()
}

// samples writes the samples of one metric.
type samples struct {
	out    *bytes.Buffer
	metric *metric
	labels []string
}

// put writes one sample, with values for the metric's labels.
func (m *samples) put(v float64, values ...string) { m.part("", v, nil, values) }

// part writes one sample of a part of a metric, with further labels.
func (m *samples) part(suffix string, v float64, more []string, values []string) {
	m.out.WriteString(m.metric.name + suffix)
	sep := "{"
	label := func(name, value string) {
		fmt.Fprintf(m.out, "%s%s=\"%s\"", sep, name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value))
		sep = ","
	}
	for i, value := range values {
		label(m.labels[i], value)
	}
	for i := 0; i+1 < len(more); i += 2 {
		label(more[i], more[i+1])
	}
	if sep == "," {
		m.out.WriteString("}")
	}
	m.out.WriteString(" " + strconv.FormatFloat(v, 'f', -1, 64) + "\n")
}

// exposition is all metrics in the text format of Prometheus.
func (s *Server) exposition() []byte {
	var out bytes.Buffer
	for i := range metricTable {
		m := &metricTable[i]
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		sm := &samples{out: &out, metric: m}
		if m.labels != "" {
			sm.labels = strings.Split(m.labels, ",")
		}
		m.of(s, sm)
	}
	return out.Bytes()
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// each tells a figure of every open deployment.
func each(figure func(*vessel) float64) func(*Server, *samples) {
	return func(s *Server, m *samples) {
		for _, b := range s.fleet.all() {
			if v, done := b.peek(); v != nil {
				m.put(figure(v), v.deployment.Name)
				done()
			}
		}
	}
}

// flows are the fronts whose requests are counted: those of deployments by their
// names, those of the house under none.
func (s *Server) flows(tell func(deployment, front string, t *traffic)) {
	s.fleet.mu.Lock()
	berths := make([]*berth, 0, len(s.fleet.berths))
	for _, b := range s.fleet.berths {
		berths = append(berths, b)
	}
	s.fleet.mu.Unlock()
	slices.SortFunc(berths, func(a, b *berth) int { return strings.Compare(a.name, b.name) })
	for _, b := range berths {
		tell(b.name, "functions", &b.traffic[0])
		tell(b.name, "site", &b.traffic[1])
	}
	tell("", "authkit", &s.traffic.authKit)
	tell("", "control", &s.traffic.control)
}

// tellRequests tells lentil_requests_total.
func (s *Server) tellRequests(m *samples) {
	s.flows(func(deployment, front string, t *traffic) {
		for class := range t.codes {
			if n := t.codes[class].Load(); n > 0 {
				m.put(float64(n), deployment, front, codeName(class))
			}
		}
	})
}

// tellDurations tells lentil_request_seconds.
func (s *Server) tellDurations(m *samples) {
	s.flows(func(deployment, front string, t *traffic) {
		all := t.timed.Load()
		if all == 0 {
			return
		}
		values, n := []string{deployment, front}, int64(0)
		for i, bound := range bounds {
			n += t.buckets[i].Load()
			m.part("_bucket", float64(n), []string{"le", strconv.FormatFloat(bound, 'f', -1, 64)}, values)
		}
		m.part("_bucket", float64(max(n, all)), []string{"le", "+Inf"}, values)
		m.part("_sum", time.Duration(t.nanos.Load()).Seconds(), nil, values)
		m.part("_count", float64(max(n, all)), nil, values)
	})
}

// tellTally tells what was counted under the metric's name.
func (s *Server) tellTally(m *samples) {
	type sample struct {
		key tallied
		n   int64
	}
	var all []sample
	s.tally.counters.Range(func(k, n any) bool {
		if key := k.(tallied); key.name == m.metric.name {
			all = append(all, sample{key, n.(*atomic.Int64).Load()})
		}
		return true
	})
	slices.SortFunc(all, func(a, b sample) int { return strings.Compare(a.key.a+"\x00"+a.key.b, b.key.a+"\x00"+b.key.b) })
	for _, one := range all {
		m.put(float64(one.n), []string{one.key.a, one.key.b}[:len(m.labels)]...)
	}
}

// tellCertificates tells lentil_certificate_expiry_seconds.
func (s *Server) tellCertificates(m *samples) {
	if s.keeper == nil {
		return
	}
	for _, c := range s.keeper.States() {
		for _, name := range c.Names {
			if !c.Until.IsZero() {
				m.put(float64(c.Until.Unix()), name, c.Source)
			}
		}
	}
}

// countEvent counts an event of the identity service.
func (s *Server) countEvent(event string) {
	s.tally.add("lentil_events_total", event, "")
	if what, ok := strings.CutPrefix(event, "authentication."); ok {
		if i := strings.LastIndexByte(what, '_'); i > 0 && (what[i:] == "_succeeded" || what[i:] == "_failed") {
			s.tally.add("lentil_sign_ins_total", what[:i], what[i+1:])
		}
	}
}

// cpuSeconds is the time that the process spent on processors.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// hereKey marks contexts of requests on the control listener's own port.
type hereKey struct{}

// here marks requests of a listener that only this machine reaches.
func here(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), hereKey{}, true)))
	})
}

// answerMetrics answers GET /metrics on the control listener: whoever shows the
// token of the metrics, and programs of this machine on the listener's own port.
func (s *Server) answerMetrics(w http.ResponseWriter, r *http.Request) {
	if !s.mayScrape(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
		writeRefusal(w, r, http.StatusUnauthorized, "MetricsTokenMissing",
			"The figures of the house are for those who show its metrics token as a bearer (metrics.token in the file of settings), and for programs of this machine at the control listener's own port.")
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(s.exposition())
}

// mayScrape says whether a request may see the figures.
func (s *Server) mayScrape(r *http.Request) bool {
	if shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && s.cfg.MetricsToken != "" {
		a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(s.cfg.MetricsToken))
		return subtle.ConstantTimeCompare(a[:], b[:]) == 1
	}
	if r.Context().Value(hereKey{}) == nil || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback() && loopbackName(hostName(r.Host))
}
