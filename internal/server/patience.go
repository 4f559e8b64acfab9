package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// What a client must achieve, so that one that trickles a body, or does not read
// an answer, holds a connection for a bounded time. A gibibyte may take twelve
// days at the least rate; nobody is cut off for a slow line.
const (
	patience  = 30 * time.Second // with nothing to show for it
	leastRate = 1 << 10          // bytes in a second
)

// allowance is how long n bytes may take.
func allowance(n int64) time.Duration {
	return patience + time.Duration(n)*(time.Second/leastRate)
}

// patient gives the bodies of requests and answers deadlines that move with
// their progress.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pw := &patientWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		_ = pw.control.SetWriteDeadline(time.Time{}) // that of the connection's last request may be over
		defer pw.extend(0)                           // for what the server itself writes in the end
		if r.Body != nil && r.Body != http.NoBody {
			b := &patientBody{ReadCloser: r.Body, control: pw.control}
			r = r.WithContext(r.Context())
			r.Body = b
			// A handler that never looks at the body leaves it to the server to pass over.
			defer func() {
				if !pw.hijacked {
					b.expect()
				}
			}()
		}
		h.ServeHTTP(pw, r)
	})
}

// patientBody is a body that must come at the least rate, counted from the first
// read on. A handler's own pauses do not count.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
	spent   time.Duration // waiting for the client
	read    int64
	over    bool
}

// expect sets the deadline of the next read.
func (b *patientBody) expect() {
	if !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(allowance(b.read) - b.spent)) // tests' writers have none
	}
}

// Read is part of io.Reader.
func (b *patientBody) Read(p []byte) (int, error) {
	b.expect()
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.spent += time.Since(began)
	b.read += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = apierr.New(apierr.BadRequest, "RequestBodyTooSlow",
			"The request body came too slowly: after %v at least %d bytes are expected in a second.", patience, leastRate).Wrap(err)
	}
	if err != nil && !b.over {
		// From here on the server watches the connection for its end, which the
		// deadline would look like.
		b.over = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// patientWriter is an answer that must be taken at the least rate.
type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	hijacked bool // the connection is a socket now, whose owner sets the deadlines
}

// extend sets the deadline for n more bytes.
func (w *patientWriter) extend(n int) {
	if !w.hijacked {
		_ = w.control.SetWriteDeadline(time.Now().Add(allowance(int64(n)))) // tests' writers have none
	}
}

// Hijack gives the connection away.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.control.Hijack()
	w.hijacked = err == nil
	return conn, rw, err
}

// Write is part of io.Writer.
func (w *patientWriter) Write(p []byte) (int, error) {
	w.extend(len(p))
	return w.ResponseWriter.Write(p)
}

// Flush sends what is buffered.
func (w *patientWriter) Flush() {
	w.extend(0)
	_ = w.control.Flush()
}

// Unwrap lets http.ResponseController reach the real writer.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
