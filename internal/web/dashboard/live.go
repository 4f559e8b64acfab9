package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/wire"
)

// How event streams keep time.
const (
	// liveRest is the least time between two pictures of a page: what changes faster
	// than people read is shown at its newest.
	liveRest = 80 * time.Millisecond
	// liveBeat is how often a quiet stream says that it lives, so that proxies keep it
	// and a browser that went away is noticed.
	liveBeat = 15 * time.Second
	// liveLook bounds the printing of one picture.
	liveLook = 20 * time.Second
	// liveParam tells which picture the browser has.
	liveParam = "live"
	// liveHealth is how often figures are taken that nothing announces.
	liveHealth = 2 * time.Second
)

// errTooManyStreams is the answer when all streams are taken; the browser asks again
// later.
var errTooManyStreams = apierr.New(apierr.Overloaded, "TooManyStreams", "Too many pages are open; this one is brought up to date when others are closed.")

// wantsStream says whether a request asks for the events of a page.
func wantsStream(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// picture is what a page shows at a time.
type picture struct {
	title   string
	regions map[string]string
	order   []string
	wake    []<-chan struct{}
	every   time.Duration
	stop    []func()
	holds   string // the deployment whose pages these are
	rest    time.Duration
}

// restAfter is how long to rest after regions were sent: large ones are sent less
// often, 1 kB for each millisecond, so that a table under writes does not keep a
// browser from doing anything else.
func restAfter(regions map[string]string) time.Duration {
	n := 0
	for _, html := range regions {
		n += len(html)
	}
	return max(liveRest, time.Duration(n>>10)*time.Millisecond)
}

// stream keeps a page in a browser up to date: it prints the page, sends the regions
// that differ from what the browser has, and waits until what was read has changed.
// The session is among what is read, so that the stream ends with it.
func (s *Site) stream(w http.ResponseWriter, r *http.Request, p *page) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return errTooManyStreams
	}
	has := r.URL.Query().Get(liveParam)
	q := r.URL.Query()
	q.Del(liveParam)
	r.URL.RawQuery = q.Encode()

	waiting, over := wire.Waiting(r)
	defer over()
	r = r.WithContext(waiting)
	out := &events{w: w, control: http.NewResponseController(w)}
	memory := map[string]any{}
	held := ""
	var sent map[string]string
	for {
		ctx, seen := database.Observe(r.Context())
		pic, err := s.look(ctx, w, r, p, memory)
		if r.Context().Err() != nil {
			return nil
		}
		if err != nil {
			if !out.begun {
				return err
			}
			e, _ := apierr.As(err)
			return out.send("gone", map[string]string{"code": code(e), "message": s.explain(r, err)})
		}
		if pic.holds != held && s.Platform.Fleet != nil {
			// Between two pictures, too, the deployment must stay open: what is subscribed to is
			// the open one's.
			if _, err := s.Platform.Fleet.Open(r.Context(), pic.holds); err != nil {
				return err
			}
			held = pic.holds
		}
		changed, stop := seen.Changed()
		switch {
		case sent != nil || digest(pic.regions, pic.order) != has:
			diff := map[string]string{}
			for name, html := range pic.regions {
				if was, ok := sent[name]; !ok || was != html {
					diff[name] = html
				}
			}
			if len(diff) > 0 {
				err = out.send("swap", map[string]any{"title": pic.title, "regions": diff})
				pic.rest = restAfter(diff)
			}
		default:
			err = out.comment("up to date")
		}
		sent = pic.regions
		if err == nil {
			err = out.wait(r.Context(), changed, pic)
		}
		stop()
		for _, f := range pic.stop {
			f()
		}
		if err != nil {
			return nil // the browser went away
		}
	}
}

// look prints a page's regions as they are now.
func (s *Site) look(ctx context.Context, w http.ResponseWriter, r *http.Request, p *page, memory map[string]any) (*picture, error) {
	ctx, cancel := context.WithTimeout(ctx, liveLook)
	defer cancel()
	v, err := s.visit(w, r.WithContext(ctx), p)
	if err != nil {
		return nil, err
	}
	v.memory = memory
	shown, err := p.show(v)
	if err != nil {
		return nil, err
	}
	if _, err := v.body(shown); err != nil {
		return nil, err
	}
	pic := &picture{title: shown.heading(), regions: v.regions, order: v.order, wake: v.wake, every: v.every}
	if v.Row != nil {
		pic.holds = v.Row.Name
	}
	for _, f := range v.watch {
		c, stop := f()
		pic.wake, pic.stop = append(pic.wake, c), append(pic.stop, stop)
	}
	return pic, nil
}

// code is that of an error; "" for one of ours.
func code(e *apierr.Error) string {
	if e == nil {
		return ""
	}
	return e.Code
}

// explain is what the browser is told of an error.
func (s *Site) explain(r *http.Request, err error) string {
	if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
		return e.Message
	}
	s.Log.Error("live page failed", "path", r.URL.Path, "request", wire.RequestID(r.Context()), "err", err)
	return "Something went wrong on our side."
}

// events writes an event stream.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// begin sends the head of the answer.
func (e *events) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies would otherwise wait for more
	e.w.WriteHeader(http.StatusOK)
}

// send writes an event whose data is JSON, which has no line breaks.
func (e *events) send(name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return e.write("event: " + name + "\ndata: " + string(b) + "\n\n")
}

// comment writes what browsers pass over.
func (e *events) comment(text string) error { return e.write(": " + text + "\n\n") }

func (e *events) write(text string) error {
	e.begin()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}

// errGone ends a wait whose browser is gone.
var errGone = errors.New("dashboard: browser went away")

// wait rests, then waits until one of the channels is ready.
func (e *events) wait(ctx context.Context, changed <-chan struct{}, pic *picture) error {
	rest := time.NewTimer(max(liveRest, pic.rest))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return errGone
	}
	over := make(chan struct{})
	defer close(over)
	woken := make(chan struct{}, 1)
	for _, c := range pic.wake {
		go func() {
			select {
			case <-c:
				select {
				case woken <- struct{}{}:
				default:
				}
			case <-over:
			}
		}()
	}
	var again <-chan time.Time
	if pic.every > 0 {
		t := time.NewTimer(pic.every)
		defer t.Stop()
		again = t.C
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for {
		select {
		case <-changed:
			return nil
		case <-woken:
			return nil
		case <-again:
			return nil
		case <-beat.C:
			if err := e.comment("still here"); err != nil {
				return err
			}
		case <-ctx.Done():
			return errGone
		}
	}
}

// Every makes the page be printed again after d: for what no subscription tells of.
func (v *Visit) Every(d time.Duration) {
	if v.every == 0 || d < v.every {
		v.every = d
	}
}
