package convexhttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
	"github.com/lentil-dev/lentil/internal/wire"
)

const (
	// maxArgsBody bounds the body of a call: 16 MiB of arguments
	// (convex-runtime.md §4.5) and what stands around them.
	maxArgsBody = 20 << 20
	// maxBatch is the number of queries in one batch.
	maxBatch = 1000
	// batchWidth is how many queries of a batch run at once.
	batchWidth = 8
	// maxMutationTime bounds one mutation with all its retries.
	maxMutationTime = 60 * time.Second
)

// format is how values are written.
type format bool

// The formats. Clean loses what JSON has no words for (bigint becomes a string,
// bytes base64); encoded is the form the clients exchange.
const (
	clean   format = false
	encoded format = true
)

// parseFormat reads the format member of a call.
func parseFormat(s string) (format, error) {
	switch s {
	case "", "json", "convex_clean_json":
		return clean, nil
	case "convex_encoded_json":
		return encoded, nil
	}
	return clean, apierr.New(apierr.BadRequest, "BadFormat", "The format %q is not known; use json or convex_encoded_json.", clip(s))
}

// callBody is the body of a call.
type callBody struct {
	Path      string          `json:"path"`
	Args      json.RawMessage `json:"args"`
	Format    string          `json:"format"`
	Component *string         `json:"componentPath"`
	TS        string          `json:"ts"`
}

// runner is how a kind of function is run.
type runner func(*udf.Runner, context.Context, udf.Request) (*udf.Outcome, error)

// readCall reads a call from the body.
func readCall(q *request) (callBody, error) {
	var b callBody
	if err := wire.JSON(q.Request, maxArgsBody, &b); err != nil {
		return b, err
	}
	if b.Path == "" {
		return b, apierr.New(apierr.BadRequest, "BadJsonBody", "The request body needs a member `path`, as in \"messages:list\".")
	}
	return b, nil
}

// udfRequest is a call as udf takes it.
func (q *request) udfRequest(b callBody) udf.Request {
	ip, _, _ := net.SplitHostPort(q.RemoteAddr)
	req := udf.Request{
		Path: b.Path, Args: b.Args, Caller: q.caller, RequestID: wire.RequestID(q.Context()),
		IP: ip, UserAgent: q.UserAgent(), CallerName: "HttpApi",
	}
	if b.Component != nil {
		req.Component = *b.Component
	}
	return req
}

// call runs one call and answers with its outcome.
func (s *Server) call(q *request, b callBody, run runner) error {
	f, err := parseFormat(b.Format)
	if err != nil {
		return err
	}
	outcome, err := run(s.Runner, q.Context(), q.udfRequest(b))
	if err != nil {
		return err
	}
	out, err := appendOutcome(nil, outcome, f)
	if err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, out)
}

// finish runs what must not be cut off when the caller goes: a mutation's record
// or an action's effects are wanted whole.
func finish(run runner) runner {
	return func(r *udf.Runner, ctx context.Context, q udf.Request) (*udf.Outcome, error) {
		ctx, done := wire.Lasting(ctx)
		defer done()
		return run(r, ctx, q)
	}
}

// timed bounds a mutation.
func timed(run runner) runner {
	return func(r *udf.Runner, ctx context.Context, q udf.Request) (*udf.Outcome, error) {
		ctx, cancel := context.WithTimeout(ctx, maxMutationTime)
		defer cancel()
		o, err := run(r, ctx, q)
		if errors.Is(err, context.DeadlineExceeded) {
			err = apierr.New(apierr.Overloaded, "SystemTimeoutError", "Your request timed out.").Wrap(err)
		}
		return o, err
	}
}

// query answers POST /api/query.
func (s *Server) query(q *request) error { return s.posted(q, (*udf.Runner).Query) }

// mutation answers POST /api/mutation.
func (s *Server) mutation(q *request) error {
	return s.posted(q, finish(timed((*udf.Runner).Mutation)))
}

// action answers POST /api/action.
func (s *Server) action(q *request) error { return s.posted(q, finish((*udf.Runner).Action)) }

// function answers POST /api/function: whatever kind the function has.
func (s *Server) function(q *request) error { return s.posted(q, finish((*udf.Runner).Any)) }

// posted answers a call whose body names everything.
func (s *Server) posted(q *request, run runner) error {
	b, err := readCall(q)
	if err != nil {
		return err
	}
	return s.call(q, b, run)
}

// getQuery answers GET /api/query, whose query parameters are path, args and format.
func (s *Server) getQuery(q *request) error {
	p := q.URL.Query()
	b := callBody{Path: p.Get("path"), Args: json.RawMessage(p.Get("args")), Format: p.Get("format")}
	if b.Path == "" {
		return apierr.New(apierr.BadRequest, "MissingPath", "The query parameter `path` is missing, as in ?path=messages:list&args={}.")
	}
	return s.call(q, b, (*udf.Runner).Query)
}

// runPath answers POST /api/run/dir/mod/fn: the last part names the function.
func (s *Server) runPath(q *request) error {
	var b callBody
	if err := wire.JSON(q.Request, maxArgsBody, &b); err != nil {
		return err
	}
	path := q.PathValue("path")
	i := strings.LastIndexByte(path, '/')
	if i <= 0 || i == len(path)-1 {
		return apierr.New(apierr.BadRequest, "BadFunctionPath", "The path must be /api/run/<module>/<function>.")
	}
	b.Path = path[:i] + ":" + path[i+1:]
	return s.call(q, b, finish((*udf.Runner).Any))
}

// queryTS answers POST /api/query_ts: the newest timestamp, for query_at_ts.
func (s *Server) queryTS(q *request) error {
	return wire.WriteRawJSON(q.w, append(append([]byte(`{"ts":"`), formatTS(s.DB.Latest())...), `"}`...))
}

// queryAtTS answers POST /api/query_at_ts: a query at a timestamp that query_ts gave.
func (s *Server) queryAtTS(q *request) error {
	b, err := readCall(q)
	if err != nil {
		return err
	}
	ts, err := parseTS(b.TS)
	if err != nil || ts > s.DB.Latest() {
		return apierr.New(apierr.BadRequest, "InvalidTimestamp", "`ts` must be a timestamp given by /api/query_ts.")
	}
	return s.call(q, b, func(r *udf.Runner, ctx context.Context, q udf.Request) (*udf.Outcome, error) {
		q.At = ts
		return r.Query(ctx, q)
	})
}

// queryBatch answers POST /api/query_batch: many queries at one timestamp.
func (s *Server) queryBatch(q *request) error {
	var batch struct {
		Queries []callBody `json:"queries"`
	}
	if err := wire.JSON(q.Request, maxArgsBody, &batch); err != nil {
		return err
	}
	if len(batch.Queries) > maxBatch {
		return apierr.New(apierr.BadRequest, "TooManyQueries", "A batch holds at most %d queries.", maxBatch)
	}
	ts := s.DB.Latest()
	results := make([][]byte, len(batch.Queries))
	errs := make([]error, len(batch.Queries))
	var wg sync.WaitGroup
	slots := make(chan struct{}, batchWidth)
	for i, b := range batch.Queries {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = wire.Recover(func() error {
				f, err := parseFormat(b.Format)
				if err != nil {
					return err
				}
				req := q.udfRequest(b)
				req.At, req.RequestID = ts, ""
				o, err := s.Runner.Query(q.Context(), req)
				if err != nil {
					return err
				}
				results[i], err = appendOutcome(nil, o, f)
				return err
			})
		})
	}
	wg.Wait()
	out := []byte(`{"results":[`)
	for i, r := range results {
		if errs[i] != nil {
			return errs[i]
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return wire.WriteRawJSON(q.w, append(out, "]}"...))
}

// appendOutcome writes an outcome as the HTTP API has it (convex-cli.md §6.1).
func appendOutcome(dst []byte, o *udf.Outcome, f format) ([]byte, error) {
	var err error
	dst = slices.Grow(dst, len(o.Value)+128)
	if o.Failure == nil {
		dst = append(dst, `{"status":"success","value":`...)
		if dst, err = appendValue(dst, o.Value, f); err != nil {
			return nil, err
		}
	} else {
		dst = append(dst, `{"status":"error","errorMessage":`...)
		dst = append(dst, quote(o.Failure.Message)...)
		if o.Failure.Data != nil {
			dst = append(dst, `,"errorData":`...)
			if dst, err = appendValue(dst, o.Failure.Data, f); err != nil {
				return nil, err
			}
		}
	}
	dst = append(dst, `,"logLines":[`...)
	for i, l := range o.Logs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, quote(l)...)
	}
	return append(dst, "]}"...), nil
}

// appendValue writes an encoded value in a format.
func appendValue(dst, v []byte, f format) ([]byte, error) {
	if len(v) == 0 {
		return append(dst, "null"...), nil
	}
	if f == encoded {
		return append(dst, v...), nil
	}
	// Only special forms differ, and they all begin with a dollar sign in a name.
	if !bytes.Contains(v, []byte(`"$`)) {
		return append(dst, v...), nil
	}
	parsed, err := value.Parse(v)
	if err != nil {
		return nil, err
	}
	return append(dst, value.CleanJSON(parsed)...), nil
}

// formatTS writes a timestamp: 8 bytes little-endian in base64.
func formatTS(ts persistence.Timestamp) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(ts))
	return base64.StdEncoding.EncodeToString(b[:])
}

// parseTS is the inverse of formatTS.
func parseTS(s string) (persistence.Timestamp, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, strconv.ErrSyntax
	}
	ts := persistence.Timestamp(binary.LittleEndian.Uint64(b))
	if ts <= 0 {
		return 0, strconv.ErrRange
	}
	return ts, nil
}

// quote writes a string as JSON.
func quote(s string) []byte {
	b, _ := json.Marshal(s) // strings always encode
	return b
}
