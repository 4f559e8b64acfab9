package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// floodPassword is everybody's.
const floodPassword = "correct horse battery staple"

// floodClients sign in at once, again and again.
const floodClients = 32

// pacedEvery is the pause between the queries whose times are compared: an even
// pace, so that the load of the queries themselves is the same in both halves.
const pacedEvery = 5 * time.Millisecond

// benchFlood compares the times of a query that has nothing to do with signing in,
// at an even pace, while nobody signs in and while many do.
func benchFlood(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floodClients + 1}}
	people := make([]string, floodClients)
	for i := range people {
		people[i] = fmt.Sprintf("person%d@example.com", i)
		var user any
		if err := post(ctx, c, h.info.AuthKitURL+"/user_management/users", h.info.APIKey,
			map[string]any{"email": people[i], "password": floodPassword, "email_verified": true}, &user); err != nil {
			return err
		}
	}
	for range 20 {
		if err := h.mutation(ctx, c, "bench:send", map[string]any{"channel": "flood", "body": body}); err != nil {
			return err
		}
	}
	if _, err := b.paced(ctx, c, h); err != nil { // warm
		return err
	}
	idle, err := b.paced(ctx, c, h)
	if err != nil {
		return err
	}
	signIns, refused := atomic.Int64{}, atomic.Int64{}
	flood, stop := context.WithCancel(ctx)
	g, flood := errgroup.WithContext(flood)
	for i := range floodClients {
		g.Go(func() error {
			for flood.Err() == nil {
				var out any
				err := post(flood, c, h.info.AuthKitURL+"/user_management/authenticate", "", map[string]any{
					"grant_type": "password", "client_id": h.info.ClientID, "client_secret": h.info.APIKey, "email": people[i], "password": floodPassword,
				}, &out)
				switch {
				case err == nil:
					signIns.Add(1)
				case flood.Err() != nil:
				case strings.Contains(err.Error(), ": 429 ") || strings.Contains(err.Error(), ": 503 "):
					refused.Add(1)
				default:
					return err
				}
			}
			return nil
		})
	}
	began := time.Now()
	busy, err := b.paced(ctx, c, h)
	rate := float64(signIns.Load()) / time.Since(began).Seconds()
	stop()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	b.report("query of 20 rows at an even pace, nobody signs in", "%v", idle)
	b.report(fmt.Sprintf("the same while %d clients sign in with passwords, %.0f/s, %d turned away", floodClients, rate, refused.Load()),
		"%v: p99 is %.1f times", busy, float64(busy.at(.99))/float64(idle.at(.99)))
	return nil
}

// paced sends queries at an even pace, each on its own time, and collects how long
// they took.
func (b *bench) paced(ctx context.Context, c *http.Client, h *house) (spread, error) {
	n := int(b.length / pacedEvery)
	times := make(spread, n)
	g, ctx := errgroup.WithContext(ctx)
	tick := time.NewTicker(pacedEvery)
	defer tick.Stop()
	for i := range n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, g.Wait()
		}
		g.Go(func() error {
			began := time.Now()
			err := h.query(ctx, c, "bench:list", map[string]any{"channel": "flood", "salt": i})
			times[i] = time.Since(began)
			return err
		})
	}
	return times, g.Wait()
}

// mutation runs a mutation over HTTP.
func (h *house) mutation(ctx context.Context, c *http.Client, path string, args any) error {
	return h.function(ctx, c, "mutation", path, args)
}

// query runs a query over HTTP.
func (h *house) query(ctx context.Context, c *http.Client, path string, args any) error {
	return h.function(ctx, c, "query", path, args)
}

// function runs a function over HTTP; what it says is not looked at, but that it
// succeeded.
func (h *house) function(ctx context.Context, c *http.Client, kind, path string, args any) error {
	var out struct {
		Status       string `json:"status"`
		ErrorMessage string `json:"errorMessage"`
	}
	if err := post(ctx, c, h.info.URL+"/api/"+kind, "", map[string]any{"path": path, "args": args, "format": "json"}, &out); err != nil {
		return err
	}
	if out.Status != "success" {
		return fmt.Errorf("%s: %s", path, out.ErrorMessage)
	}
	return nil
}
