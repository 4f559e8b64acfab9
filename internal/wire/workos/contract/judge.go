package contract

import (
	"bytes"
	"net/http"
	"strings"
)

// Judge wraps a front and holds every answer it gives to an operation of the
// description against it. report gets one line per answer that is not as promised.
func Judge(front http.Handler, report func(line string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := Load().Find(r.Method, r.URL.EscapedPath())
		if op == "" {
			front.ServeHTTP(w, r)
			return
		}
		seen := &witness{ResponseWriter: w, status: http.StatusOK}
		front.ServeHTTP(seen, r)
		vs := Errors(Check(op, seen.status, seen.body.Bytes()))
		if kind := w.Header().Get("Content-Type"); seen.body.Len() > 0 && seen.status < 300 && len(vs) == 0 &&
			Load().promisesBody(op) && !strings.HasPrefix(kind, "application/json") {
			vs = []Violation{{Problem: "is of the type " + kind}}
		}
		if len(vs) == 0 {
			return
		}
		var lines []string
		for _, v := range vs {
			if !excused(op, w.Header(), v) {
				lines = append(lines, v.String())
			}
		}
		if len(lines) == 0 {
			return
		}
		report(r.Method + " " + r.URL.Path + " (" + op + ") " + http.StatusText(seen.status) + ": " + strings.Join(lines, "; "))
	})
}

// excused reports whether an answer may differ from the description: because a test
// made it up with an error hook, or because the description says nothing of browsers
// that keep the refresh token in a cookie.
func excused(op string, h http.Header, v Violation) bool {
	return h.Get("X-Lentil-Error-Hook") != "" ||
		op == "authenticate" && v.Problem == "lacks the member refresh_token" && h.Get("Set-Cookie") != ""
}

// promisesBody reports whether some answer of op has a body.
func (c *Contract) promisesBody(op string) bool {
	for status, s := range c.Operations[op].Answers {
		if s != nil && status < "300" {
			return true
		}
	}
	return false
}

// Find names the operation of a request; empty if it is none. Literal segments go
// before placeholders.
func (c *Contract) Find(method, path string) string {
	best, most := "", -1
	got := strings.Split(strings.Trim(path, "/"), "/")
	for name, op := range c.Operations {
		if op.Method != method {
			continue
		}
		if n := matches(strings.Split(strings.Trim(op.Path, "/"), "/"), got); n > most {
			best, most = name, n
		}
	}
	return best
}

// matches scores how literally got is what want says: an earlier literal segment
// outweighs all later ones. It is -1 if it is not.
func matches(want, got []string) int {
	if len(want) != len(got) || len(got) > 16 {
		return -1
	}
	score := 0
	for i, w := range want {
		score *= 2
		switch {
		case w == got[i]:
			score++
		case !strings.HasPrefix(w, "{") || got[i] == "":
			return -1
		}
	}
	return score
}

// witness keeps what is written.
type witness struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader notes the status.
func (w *witness) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the body.
func (w *witness) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }
