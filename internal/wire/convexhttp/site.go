package convexhttp

import (
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The texts of these answers are what tools and tests of the official service look for.
const (
	noRouter = "This Convex deployment does not have HTTP actions enabled."
	noRoute  = "No matching routes found"
)

// Site is the address of the deployment's HTTP actions. Whatever they answer goes out
// as it is: no header for other origins is added (convex-runtime.md §8.1).
func (s *Server) Site() http.Handler {
	return wire.Front{Dialect: dialect, Log: s.Log}.Handle(s.httpAction)
}

// httpAction has the app's router answer a request.
func (s *Server) httpAction(w http.ResponseWriter, r *http.Request) error {
	for _, own := range []string{"X-Content-Type-Options", "Referrer-Policy"} {
		w.Header().Del(own)
	}
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // without it a response cannot begin before the request's body has ended; HTTP/2 always can
	q := s.httpRequest(r)
	ctx, done := wire.Lasting(r.Context())
	defer done()
	out, err := s.Runner.HTTP(ctx, q, &siteResponse{w: w, rc: rc})
	switch {
	case err != nil:
		return err
	case out.NoRouter:
		return text(w, http.StatusNotFound, noRouter)
	case out.NoRoute:
		return text(w, http.StatusNotFound, noRoute)
	case out.Failure == nil:
		return nil
	case out.Began:
		panic(http.ErrAbortHandler) // part of the body is out; a cut connection says that it is not whole
	}
	return writeFailure(w, out, q.Caller.RequestID)
}

// httpRequest is a request as udf takes it.
func (s *Server) httpRequest(r *http.Request) udf.HTTPRequest {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	path := r.URL.EscapedPath()
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	full := s.origin(r) + path
	if r.URL.RawQuery != "" {
		full += "?" + r.URL.RawQuery
	}
	q := udf.HTTPRequest{
		Method: r.Method, URL: full, Path: path, Header: headerPairs(r), Gone: r.Context().Done(),
		Caller: udf.Request{RequestID: wire.RequestID(r.Context()), IP: ip, UserAgent: r.UserAgent()},
	}
	if q.Caller.RequestID == "" {
		q.Caller.RequestID = udf.NewRequestID()
	}
	if r.Body != nil && r.Body != http.NoBody && r.Method != http.MethodGet && r.Method != http.MethodHead {
		q.Body = r.Body
	}
	// The header is the app's to read: what is no credential of ours does not matter, and
	// one that is not good only fails getUserIdentity.
	header := r.Header.Get("Authorization")
	caller, err := s.Gate.Request(r)
	scheme, _, _ := strings.Cut(header, " ")
	switch {
	case err == nil && header != "":
		q.Caller.Caller = caller
		if caller.Role == token.User {
			_, q.Caller.AuthToken, _ = strings.Cut(header, " ")
		}
	case err != nil && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Convex")):
		q.AuthError = err
	}
	return q
}

// headerPairs are the headers as JavaScript holds them, one character a byte.
func headerPairs(r *http.Request) [][2]string {
	pairs := [][2]string{{"host", r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			pairs = append(pairs, [2]string{strings.ToLower(name), latin1(v)})
		}
	}
	return pairs
}

// latin1 gives bytes as characters.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// latin1Bytes is the inverse of latin1.
func latin1Bytes(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// origin is scheme and host as the client asked for them: what a proxy of ours says
// in Forwarded or X-Forwarded-*, else those of the request.
func (s *Server) origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if u, err := url.Parse(s.SiteURL); err == nil && u.Host == r.Host && u.Scheme != "" {
		scheme = u.Scheme
	}
	if r.TLS != nil {
		scheme = "https"
	}
	if !wire.BelievesForwarded(r.Context()) {
		return scheme + "://" + host
	}
	first := func(list string) string {
		v, _, _ := strings.Cut(list, ",")
		return strings.TrimSpace(v)
	}
	proto, name := first(r.Header.Get("X-Forwarded-Proto")), first(r.Header.Get("X-Forwarded-Host"))
	for part := range strings.SplitSeq(first(r.Header.Get("Forwarded")), ";") { // RFC 7239 §4
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		v = strings.Trim(v, `"`)
		switch {
		case strings.EqualFold(k, "proto"):
			proto = v
		case strings.EqualFold(k, "host"):
			name = v
		}
	}
	if proto = strings.ToLower(proto); proto == "http" || proto == "https" {
		scheme = proto
	}
	if u, err := url.Parse("http://" + name); name != "" && err == nil && u.Host == name {
		host = name
	}
	return scheme + "://" + host
}

// siteResponse writes the answer of an HTTP action.
type siteResponse struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// hopHeaders are about the connection, which is not the action's.
var hopHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// Head sends status and headers.
func (s *siteResponse) Head(status int, header [][2]string, length int64) error {
	h := s.w.Header()
	h["Content-Type"] = nil // nothing is guessed
	seen := map[string]bool{}
	for _, p := range header {
		name := textproto.CanonicalMIMEHeaderKey(p[0])
		if hopHeaders[name] {
			continue
		}
		if !seen[name] {
			h.Del(name)
			seen[name] = true
		}
		h.Add(name, latin1Bytes(p[1]))
	}
	if length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	s.w.WriteHeader(status)
	if length < 0 {
		return s.rc.Flush()
	}
	return nil
}

// Write sends a piece of the body.
func (s *siteResponse) Write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.rc.Flush()
}

// writeFailure answers for an action that failed (convex-runtime.md §3.9).
func writeFailure(w http.ResponseWriter, out *udf.HTTPOutcome, requestID string) error {
	code := "[Request ID: " + requestID + "] Server Error"
	body := []byte(`{"code":`)
	if out.Redacted {
		body = append(body, quote(code)...)
	} else {
		message, _, _ := strings.Cut(out.Failure.Text, "\n    at ")
		body = append(body, quote(code+": "+message)...)
		body = append(body, `,"trace":`...)
		body = append(body, quote(out.Failure.Text)...)
	}
	if out.Failure.Data != nil {
		body = append(body, `,"data":`...)
		body = append(body, out.Failure.Data...)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	if _, err := w.Write(append(body, '}')); err != nil {
		return wire.ErrAborted
	}
	return nil
}
