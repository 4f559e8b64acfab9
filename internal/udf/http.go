package udf

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxHTTPResponse is the largest body of an HTTP action's response (convex-runtime.md §8.1).
const maxHTTPResponse = 20 << 20

// HTTPRequest asks the router of http.js for an answer.
type HTTPRequest struct {
	Method string
	URL    string // in full, as the client asked for it
	Path   string // what is routed
	Header [][2]string
	Body   io.Reader       // nil for none
	Gone   <-chan struct{} // closed when the client has left
	Caller Request         // on whose behalf, and where from; what names a function is left empty
	// AuthError is why the credential that came with the request is not good: the request runs, and
	// ctx.auth.getUserIdentity throws it.
	AuthError error
}

// HTTPResponse takes the answer of an HTTP action: its head once, then its body. Both are called by
// one goroutine at a time and never after Runner.HTTP has returned.
type HTTPResponse interface {
	// Head takes status, headers and the length of the body, -1 when it is not known yet.
	Head(status int, header [][2]string, length int64) error
	// Write takes a piece of the body and sends it at once.
	Write(b []byte) error
}

// HTTPOutcome is how an HTTP action ended.
type HTTPOutcome struct {
	NoRouter bool // there is no http.js
	NoRoute  bool // none of its routes matches
	Began    bool // Head was called
	Failure  *Failure
	Redacted bool // the failure's text is not for the client
}

// httpRouterPath is the router as a function of the app, for metadata.
var httpRouterPath = funcPath{Module: isolate.HTTPRouter, Export: "default"}

// HTTP has the app's router answer a request. The error is ours; Failure is the code's.
func (r *Runner) HTTP(ctx context.Context, h HTTPRequest, w HTTPResponse) (*HTTPOutcome, error) {
	q := h.Caller
	q.badAuth = h.AuthError
	q.Path, q.CallerName = h.Method+" "+h.Path, "HttpEndpoint"
	if err := q.prepare(); err != nil {
		return nil, err
	}
	tx, err := r.DB.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("udf: begin HTTP action: %w", err)
	}
	l, none, err := r.route(ctx, tx, &h)
	if err != nil || none != nil {
		return none, err
	}
	q.Component = l.component.Path
	b := newLogBuffer()
	shared := newRun(r, &q, b)
	program, err := shared.load(ctx, l, tx.Snapshot())
	if err != nil {
		return nil, err
	}
	defer shared.leave()
	x := &execution{
		run: shared, live: l, program: program,
		kind: Action, path: httpRouterPath, http: &httpExchange{request: &h, response: w, logged: &q},
	}
	b.progress = func(line LogLine) {
		e := x.http.entry(b.executionID)
		e.Kind, e.LogLines = "Progress", []LogLine{line}
		r.logs.add(e)
	}
	out, err := x.serve(ctx)
	x.http.close()
	if err != nil || out.NoRoute {
		return out, err
	}
	out.Redacted = r.Redact
	x.http.log(r, b, out)
	return out, nil
}

// has tells whether a module is live.
func (l *live) has(path string) bool {
	for i := range l.modules {
		if l.modules[i].Path == path {
			return true
		}
	}
	return false
}

// serve runs the router.
func (x *execution) serve(ctx context.Context) (*HTTPOutcome, error) {
	h := x.http.request
	stream := any(nil)
	if h.Body != nil {
		stream = "0"
	}
	text, err := json.Marshal(map[string]any{"url": h.URL, "method": h.Method, "headerPairs": h.Header, "streamId": stream, "signal": "0"})
	if err != nil {
		return nil, fmt.Errorf("udf: describe HTTP request: %w", err)
	}
	call := isolate.HTTP(string(text), h.Path)
	call.Now, call.Host, call.Limits = x.run.now, x, timeLimits[Action]
	rand.Read(call.Seed[:])
	result, err := x.program.Run(ctx, call)
	out := &HTTPOutcome{Began: x.http.began()}
	switch {
	case err != nil:
		f, ok := asFailed(err)
		if !ok {
			return nil, err
		}
		out.Failure = f.failure(x.run.req.RequestID)
	case result.Exception != nil:
		out.Failure = thrownBy(result.Exception).failure(x.run.req.RequestID)
	default:
		out.NoRoute = result.Value == "none"
	}
	return out, nil
}

// httpExchange is an HTTP action under way. The lock keeps what still runs when the
// action has ended away from a connection that is not its own any more.
type httpExchange struct {
	request  *HTTPRequest
	response HTTPResponse
	logged   *Request

	reading sync.Mutex // held while the body is read
	mu      sync.Mutex // guards what follows, and the response
	label   string     // "POST /path", once the route is known
	status  int        // 0 until the head is sent
	sent    int64
	closed  bool
}

// errHTTPEnded answers what comes after the end.
var errHTTPEnded = &isolate.Throw{Message: "The request has ended."}

// close cuts the exchange off from its connection.
func (e *httpExchange) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
}

// began tells whether the head of the response was sent.
func (e *httpExchange) began() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status != 0
}

// JSSyscall answers the operations of isolate's runtime/host.js.
func (x *execution) JSSyscall(ctx context.Context, op string, args, body []byte) (text, raw []byte, err error) {
	if x.http != nil {
		switch op {
		case "http/route":
			return nullJSON, nil, x.http.route(args)
		case "http/gone":
			select {
			case <-x.http.request.Gone:
				return nullJSON, nil, nil
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		case "http/read":
			raw, err = x.http.read()
			return nil, raw, err
		case "http/head":
			return nullJSON, nil, x.http.head(args)
		case "http/write":
			return nullJSON, nil, x.http.write(body)
		}
	}
	text, raw, err = x.storageJS(ctx, op, args, body)
	return text, raw, toJS(err)
}

// route learns which route was taken, which is how logs name the action.
func (e *httpExchange) route(args []byte) error {
	var a struct{ Method, Path string }
	if err := decode(args, "route", &a); err != nil {
		return toJS(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.label = a.Method + " " + a.Path
	return nil
}

// requestPiece is how much of a request's body is read at once.
const requestPiece = 64 << 10

// read gives the next piece of the request's body, nil at its end.
func (e *httpExchange) read() ([]byte, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed || e.request.Body == nil {
		return nil, errHTTPEnded
	}
	b := make([]byte, requestPiece)
	for {
		n, err := e.request.Body.Read(b)
		switch {
		case n > 0:
			return b[:n], nil
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, &isolate.Throw{Message: "The request's body broke off."}
		}
	}
}

// errTooLarge refuses a response beyond the limit.
var errTooLarge = &isolate.Throw{Message: "HttpResponseTooLarge: The response of an HTTP action is too large (limit: " + value.FormatSize(maxHTTPResponse) + ")"}

// head sends status and headers.
func (e *httpExchange) head(args []byte) error {
	var a struct {
		Status int
		Header [][2]string `json:"headerPairs"`
		Length int64
	}
	if err := decode(args, "head", &a); err != nil {
		return toJS(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed || e.status != 0:
		return errHTTPEnded
	case a.Length > maxHTTPResponse:
		return errTooLarge
	case a.Status < 200 || a.Status > 599:
		return &isolate.Throw{Message: "HTTP actions cannot answer with status " + strconv.Itoa(a.Status)}
	}
	e.status = a.Status
	if err := e.response.Head(a.Status, a.Header, a.Length); err != nil {
		return &isolate.Throw{Message: "The client has gone: " + err.Error()}
	}
	return nil
}

// write sends a piece of the response's body.
func (e *httpExchange) write(b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.status == 0 {
		return errHTTPEnded
	}
	if e.sent += int64(len(b)); e.sent > maxHTTPResponse {
		return errTooLarge
	}
	if err := e.response.Write(b); err != nil {
		return &isolate.Throw{Message: "The client has gone: " + err.Error()}
	}
	return nil
}

// entry begins a log entry of the action.
func (e *httpExchange) entry(executionID string) LogEntry {
	entry := e.logged.entry(HTTPAction, executionID)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.label != "" {
		entry.Identifier = e.label
	}
	return entry
}

// log writes the entry of an action that has ended.
func (e *httpExchange) log(r *Runner, b *logBuffer, out *HTTPOutcome) {
	entry := e.entry(b.executionID)
	e.mu.Lock()
	status, sent := e.status, int(e.sent)
	e.mu.Unlock()
	entry.Completion = &Completion{
		Caller: e.logged.CallerName, ExecutionTime: time.Since(b.started).Seconds(), ExecutionTimestamp: seconds(b.started),
		IdentityType: identityType(e.logged.Caller), Environment: "isolate", ReturnBytes: &sent,
	}
	if out.Failure != nil {
		entry.Error, entry.ReturnBytes = &out.Failure.Text, nil
		if status == 0 {
			status = 500
		}
	}
	entry.Success = map[string]string{"status": strconv.Itoa(status)}
	r.logs.add(entry)
}
