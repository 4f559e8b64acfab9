package isolate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/webcrypto"
)

// web is what an action has open in the world: fetches and their bodies, by
// the id of the request that began them.
type web struct {
	mu   sync.Mutex
	open map[uint32]*exchange
}

// exchange is one HTTP request under way. Its body goes up through a pipe if the
// program streams it.
type exchange struct {
	cancel context.CancelFunc
	body   io.ReadCloser
	up     *io.PipeReader
	feed   *io.PipeWriter
}

// upload gives the exchange of a request whose body streams. The pieces may
// arrive before the request itself: each is answered by a goroutine of its own.
func (w *web) upload(id uint32) *exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.open[id]
	if x == nil {
		x = &exchange{cancel: func() {}}
		x.up, x.feed = io.Pipe()
		w.open[id] = x
	}
	return x
}

// close ends everything that is still open.
func (w *web) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, x := range w.open {
		x.end()
		delete(w.open, id)
	}
}

// errEnded is what a writer of the body sees when nobody reads it any more.
var errEnded = errors.New("the request has ended")

// end stops an exchange.
func (x *exchange) end() {
	x.cancel()
	if x.up != nil {
		x.up.CloseWithError(errEnded)
	}
	if x.body != nil {
		x.body.Close()
	}
}

// newClient makes the HTTP client of actions. Redirects are followed by the
// shims, which know fetch's rules.
func newClient() *http.Client {
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
}

// timerDelay reads the milliseconds of a timer.
func timerDelay(arg []byte) time.Duration {
	f, _ := strconv.ParseFloat(string(arg), 64)
	if !(f > 0) {
		return 0
	}
	return time.Duration(min(f, 1<<31) * float64(time.Millisecond))
}

// shimRequest answers an asynchronous request of our own shims.
func (v *invocation) shimRequest(r request) event {
	switch r.op {
	case "fetch":
		out, err := v.fetch(r)
		return answer(r.id, out, err)
	case "fetchRead":
		return v.fetchRead(r)
	case "fetchWrite":
		return v.fetchWrite(r)
	case "fetchCancel":
		var in struct{ ID uint32 }
		json.Unmarshal(r.arg, &in)
		v.web.mu.Lock()
		if x := v.web.open[in.ID]; x != nil {
			x.end()
			delete(v.web.open, in.ID)
		}
		v.web.mu.Unlock()
		return event{id: r.id, status: 3}
	}
	return v.jsSyscall(r)
}

// fetchFailed is how a program sees that a request could not be made.
func fetchFailed(err error) *Throw {
	for u := errors.Unwrap(err); u != nil; u = errors.Unwrap(err) {
		err = u
	}
	return &Throw{Message: "fetch failed: " + err.Error()}
}

// fetch sends a request and answers with the head of the response.
func (v *invocation) fetch(r request) ([]byte, error) {
	var in struct {
		URL, Method string
		Headers     [][2]string
		Stream      bool
	}
	if err := json.Unmarshal(r.arg, &in); err != nil {
		return nil, fetchFailed(err)
	}
	ctx, cancel := context.WithCancel(v.ctx)
	var body io.Reader
	if in.Stream {
		x := v.web.upload(r.id)
		v.web.mu.Lock()
		x.cancel = cancel
		v.web.mu.Unlock()
		body = x.up
	} else {
		v.web.mu.Lock()
		v.web.open[r.id] = &exchange{cancel: cancel}
		v.web.mu.Unlock()
		if len(r.body) > 0 {
			body = bytes.NewReader(r.body)
		}
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, in.URL, body)
	if err != nil {
		cancel()
		return nil, fetchFailed(err)
	}
	for _, h := range in.Headers {
		if h[0] == "host" {
			req.Host = h[1]
			continue
		}
		req.Header.Add(h[0], latin1Bytes(h[1]))
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Convex/1.0")
	}
	client := *v.program.engine.opt.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, fetchFailed(err)
	}
	v.web.mu.Lock()
	if x := v.web.open[r.id]; x != nil {
		x.body = resp.Body
	} else {
		resp.Body.Close()
	}
	v.web.mu.Unlock()
	out := struct {
		Status     int         `json:"status"`
		StatusText string      `json:"statusText"`
		Headers    [][2]string `json:"headers"`
		Empty      bool        `json:"empty"`
	}{Status: resp.StatusCode, StatusText: statusText(resp.Status), Headers: [][2]string{}, Empty: resp.ContentLength == 0}
	for k, vs := range resp.Header {
		for _, s := range vs {
			out.Headers = append(out.Headers, [2]string{strings.ToLower(k), latin1String(s)})
		}
	}
	return json.Marshal(out)
}

// fetchRead answers with the next piece of a body, nothing at its end.
func (v *invocation) fetchRead(r request) event {
	var in struct{ ID uint32 }
	json.Unmarshal(r.arg, &in)
	v.web.mu.Lock()
	x := v.web.open[in.ID]
	v.web.mu.Unlock()
	if x == nil || x.body == nil {
		return event{id: r.id, status: 3}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := x.body.Read(buf)
		if n > 0 {
			return event{id: r.id, status: 2, data: buf[:n]}
		}
		if err == nil {
			continue
		}
		v.web.mu.Lock()
		delete(v.web.open, in.ID)
		v.web.mu.Unlock()
		x.end()
		if err != io.EOF {
			return answer(r.id, nil, fetchFailed(err))
		}
		return event{id: r.id, status: 3}
	}
}

// fetchWrite sends the next piece of a body, or its end; it is answered when
// the piece is on its way.
func (v *invocation) fetchWrite(r request) event {
	var in struct {
		ID  uint32
		End bool
	}
	json.Unmarshal(r.arg, &in)
	x := v.web.upload(in.ID)
	if x.feed == nil {
		return answer(r.id, nil, fetchFailed(errEnded))
	}
	if in.End {
		x.feed.Close()
		return event{id: r.id, status: 3}
	}
	if _, err := x.feed.Write(r.body); err != nil {
		return answer(r.id, nil, fetchFailed(err))
	}
	return event{id: r.id, status: 3}
}

// statusText is the reason phrase of a status line.
func statusText(status string) string {
	_, text, _ := strings.Cut(status, " ")
	return text
}

// latin1Bytes and latin1String convert header values, which are bytes, from
// and to what JavaScript holds, one character a byte.
func latin1Bytes(s string) string {
	if isASCII(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func latin1String(s string) string {
	if isASCII(s) {
		return s
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// isASCII says whether the conversions have nothing to do.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// subtle computes for SubtleCrypto.
var subtle = &webcrypto.Service{Random: rand.Reader}

// shimCall answers a synchronous request of our own shims.
func shimCall(op string, arg, body []byte) ([]byte, error) {
	name, ok := strings.CutPrefix(op, "crypto/")
	if !ok {
		return nil, &Throw{Message: "Unknown operation " + op}
	}
	out, err := subtle.Call(name, arg, body)
	if err != nil {
		return nil, &Throw{Message: err.Error()}
	}
	return out, nil
}
