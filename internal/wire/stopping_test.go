package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// A house that stops ends the contexts of requests whose callers are still there: those
// must not be told 200.
func TestFrontOfAHouseThatStops(t *testing.T) {
	t.Parallel()
	front := wire.Front{Dialect: func(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
		w.WriteHeader(wire.Status(e.Kind))
		io.WriteString(w, e.Code)
	}}
	for _, tt := range []struct {
		name   string
		h      wire.Handler
		status int
		body   string
		cut    bool
	}{
		{"before the answer", func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return fmt.Errorf("read: %w", r.Context().Err())
		}, 503, "HouseStopping", false},
		{"wrapped in a refusal", func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return apierr.New(apierr.BadRequest, "BadBody", "The body could not be read.").Wrap(r.Context().Err())
		}, 503, "HouseStopping", false},
		{"broken off before the answer", func(http.ResponseWriter, *http.Request) error { return wire.ErrAborted }, 503, "HouseStopping", false},
		{"within the answer", func(w http.ResponseWriter, r *http.Request) error {
			io.WriteString(w, "half ")
			<-r.Context().Done()
			return r.Context().Err()
		}, 200, "half ", true},
		{"broken off within the answer", func(w http.ResponseWriter, _ *http.Request) error {
			io.WriteString(w, "half ")
			return errors.Join(wire.ErrAborted, errors.New("the file cannot be read"))
		}, 200, "half ", true},
		{"at its end", func(w http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			io.WriteString(w, "whole")
			return nil
		}, 200, "whole", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			s := httptest.NewUnstartedServer(front.Handle(func(w http.ResponseWriter, r *http.Request) error {
				stop()
				return tt.h(w, r)
			}))
			s.Config.BaseContext = func(net.Listener) context.Context { return ctx }
			s.Start()
			t.Cleanup(s.Close)
			res, err := s.Client().Get(s.URL)
			if tt.cut && err != nil { // nothing of it was on its way yet
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if res.StatusCode != tt.status || !strings.HasPrefix(string(b), tt.body) || tt.cut != (err != nil) {
				t.Errorf("%d %q %v", res.StatusCode, b, err)
			}
		})
	}
}
