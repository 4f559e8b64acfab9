package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// pipes is a listener whose connections are pipes, which know a bubble's time.
type pipes chan net.Conn

// Accept is part of net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close is part of net.Listener.
func (p pipes) Close() error { return nil }

// Addr is part of net.Listener.
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// overPipe serves h to one connection until the test ends, within a bubble.
func overPipe(t *testing.T, h http.Handler) net.Conn {
	near, far := net.Pipe()
	l := make(pipes, 1)
	l <- far
	s := &http.Server{Handler: patient(h), IdleTimeout: idleTimeout}
	go s.Serve(l)
	t.Cleanup(func() { close(l); near.Close(); s.Shutdown(context.Background()) })
	return near
}

func TestPatientEndsBodyThatTrickles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		c := overPipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		}))
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			for range 1000 {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		err := <-ended
		if e, ok := apierr.As(err); !ok || e.Code != "RequestBodyTooSlow" {
			t.Errorf("the handler read %v", err)
		}
		if took := time.Since(began); took > patience+2*time.Second {
			t.Errorf("it took %v", took)
		}
		<-cut // and the connection is closed
	})
}

func TestPatientLetsHandlerTakeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := overPipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			half := make([]byte, 2)
			io.ReadFull(r.Body, half)
			time.Sleep(10 * patience)
			rest, err := io.ReadAll(r.Body)
			time.Sleep(10 * patience)
			fmt.Fprint(w, string(half), string(rest), err, r.Context().Err())
		}))
		for range 2 { // the second request finds no deadline of the first
			go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(res.Body); string(b) != "abcd<nil> <nil>" && string(b) != "abcd<nil><nil>" {
				t.Errorf("answer %q", b)
			}
			time.Sleep(2 * patience)
		}
	})
}

func TestPatientEndsAnswerThatNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		c := overPipe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 1<<20)))
			ended <- err
		}))
		began := time.Now()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := <-ended; err == nil {
			t.Error("a client that reads nothing was answered whole")
		}
		if took, most := time.Since(began), allowance(1<<20); took > most {
			t.Errorf("it took %v, more than %v", took, most)
		}
	})
}
