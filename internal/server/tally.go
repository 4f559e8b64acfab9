package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lentil-dev/lentil/internal/mail"
)

// tally counts what happens in a house since its start, by name and label. Labels
// are of closed sets, so that the number of counters is bounded.
type tally struct {
	counters sync.Map // tallied → *atomic.Int64
}

// tallied is what is counted: a metric's name and the value of its labels.
type tallied struct{ name, a, b string }

// known are the counters that are there from the start, at 0: of one that begins with
// its first failure, Prometheus sees no increase (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics).
var known = []tallied{
	{"lentil_mails_total", "sent", ""}, {"lentil_mails_total", "failed", ""},
	{"lentil_refreshes_total", "renewed", ""}, {"lentil_refreshes_total", "refused", ""},
	{"lentil_sign_ins_total", "password", "failed"}, {"lentil_sign_ins_total", "password", "succeeded"},
	{"lentil_webhook_attempts_total", "delivered", ""}, {"lentil_webhook_attempts_total", "failed", ""},
}

// begin makes the counters that are known.
func (t *tally) begin() {
	for _, k := range known {
		t.counters.LoadOrStore(k, new(atomic.Int64))
	}
}

// add counts one more.
func (t *tally) add(name, a, b string) {
	n, ok := t.counters.Load(tallied{name, a, b})
	if !ok {
		n, _ = t.counters.LoadOrStore(tallied{name, a, b}, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// countedMail counts the mail that leaves.
type countedMail struct {
	mail.Sender
	tally *tally
}

// Send is part of mail.Sender.
func (c countedMail) Send(ctx context.Context, m mail.Message) error {
	err := c.Sender.Send(ctx, m)
	outcome := "sent"
	if err != nil {
		outcome = "failed"
	}
	c.tally.add("lentil_mails_total", outcome, "")
	return err
}

// traffic are the requests that one front of one deployment, or one of the house,
// has answered.
type traffic struct {
	codes   [6]atomic.Int64 // by the first digit of the status; 0 for cut connections
	buckets [len(bounds)]atomic.Int64
	nanos   atomic.Int64
	timed   atomic.Int64
}

// bounds are those of the histogram of answers, in seconds. Sockets of the sync
// protocol are not in it: they last.
var bounds = [...]float64{0.005, 0.025, 0.1, 0.25, 1, 2.5, 10}

// note counts an answer.
func (t *traffic) note(status int, took time.Duration) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	t.codes[class].Add(1)
	if class < 2 {
		return
	}
	t.nanos.Add(int64(took))
	t.timed.Add(1)
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			t.buckets[i].Add(1)
			return
		}
	}
}

// counted is a handler whose answers are counted.
func (t *traffic) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := &answered{ResponseWriter: w}
		ended := false
		defer func() {
			if !ended { // a panic, which cuts the connection
				a.status = 0
			} else if a.status == 0 {
				a.status = http.StatusOK
			}
			t.note(a.status, time.Since(began))
		}()
		h.ServeHTTP(a, r)
		ended = true
	})
}

// answered remembers the status of an answer. What else a writer can do is reached
// through Unwrap.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader is part of http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	if a.status < http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Flush sends what is buffered.
func (a *answered) Flush() { _ = http.NewResponseController(a.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the real writer.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// codeName names a class of statuses.
func codeName(class int) string {
	if class == 0 {
		return "cut"
	}
	return strconv.Itoa(class) + "xx"
}
