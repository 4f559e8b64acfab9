package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"
)

// peopleSizes are the numbers of users at which lists and searches are measured, at
// scale 1.
var peopleSizes = []int{1_000, 10_000, 100_000, 1_000_000}

// How users are made, and how often each question is asked.
const (
	peopleClients = 64
	peopleAsks    = 400
	memberEvery   = 10 // every tenth user joins the one organization
)

// benchPeople fills an environment with users through the API and asks for pages and
// single users as it grows: the times must not grow with it.
func benchPeople(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: peopleClients}}
	var org struct {
		ID string `json:"id"`
	}
	if err := post(ctx, c, h.info.AuthKitURL+"/organizations", h.info.APIKey, map[string]any{"name": "Everybody's"}, &org); err != nil {
		return err
	}
	made := 0
	sample := make([]string, 0, 4096) // ids of users, to be cursors
	for _, at := range peopleSizes {
		size := int(float64(at) * b.scale)
		if size <= made {
			continue
		}
		began := time.Now()
		ids, err := h.makePeople(ctx, c, org.ID, made, size)
		if err != nil {
			return err
		}
		rate := float64(size-made) / time.Since(began).Seconds()
		made, sample = size, append(sample, ids...)
		b.report(fmt.Sprintf("%d users: made through the API, every tenth a member, %d clients", size, peopleClients), "%.0f/s", rate)
		some := func() string { return sample[rand.IntN(len(sample))] }
		for _, q := range []struct {
			name string
			path func() string
		}{
			{"the newest 100", func() string { return "/user_management/users?limit=100" }},
			{"100 after any of them", func() string { return "/user_management/users?limit=100&after=" + some() }},
			{"100 before any, oldest first", func() string { return "/user_management/users?limit=100&order=asc&before=" + some() }},
			{"by address", func() string { return "/user_management/users?email=" + url.QueryEscape(personEmail(rand.IntN(made))) }},
			{"by external id", func() string {
				return fmt.Sprintf("/user_management/users/external_id/external-%d", rand.IntN(made))
			}},
			{"10 members after any", func() string { return "/user_management/users?organization_id=" + org.ID + "&after=" + some() }},
			{"10 memberships", func() string { return "/user_management/organization_memberships?organization_id=" + org.ID }},
		} {
			var times spread
			for range peopleAsks {
				t := time.Now()
				if err := h.get(ctx, c, q.path()); err != nil {
					return err
				}
				times = append(times, time.Since(t))
			}
			b.report(fmt.Sprintf("%d users: %s", size, q.name), "%v", times)
		}
		rss, err := residentKB(h.cmd.Process.Pid)
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("%d users: resident memory, on disk", size), "%d MB, %.0f MB", rss/1024, float64(diskBytes(h.dir))/1e6)
	}
	return nil
}

// personEmail is the address of the n-th user.
func personEmail(n int) string { return fmt.Sprintf("person.%d@example.com", n) }

// makePeople makes the users from one number up to another, and gives the ids of
// about a thousand of them.
func (h *house) makePeople(ctx context.Context, c *http.Client, org string, from, to int) (ids []string, err error) {
	numbers, found := make(chan int), make(chan string, to-from)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(numbers)
		for n := from; n < to; n++ {
			select {
			case numbers <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	every := max(1, (to-from)/1000)
	for range peopleClients {
		g.Go(func() error {
			for n := range numbers {
				var user struct {
					ID string `json:"id"`
				}
				if err := post(ctx, c, h.info.AuthKitURL+"/user_management/users", h.info.APIKey, map[string]any{
					"email": personEmail(n), "first_name": "Person", "last_name": fmt.Sprint(n), "email_verified": true,
					"external_id": fmt.Sprintf("external-%d", n), "metadata": map[string]string{"team": "soup"},
				}, &user); err != nil {
					return err
				}
				if n%every == 0 {
					found <- user.ID
				}
				if n%memberEvery != 0 {
					continue
				}
				var membership any
				if err := post(ctx, c, h.info.AuthKitURL+"/user_management/organization_memberships", h.info.APIKey,
					map[string]any{"user_id": user.ID, "organization_id": org}, &membership); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	close(found)
	for id := range found {
		ids = append(ids, id)
	}
	return ids, err
}

// get asks the sign-in API and expects JSON that is fine.
func (h *house) get(ctx context.Context, c *http.Client, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.info.AuthKitURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.info.APIKey)
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !json.Valid(text) {
		return fmt.Errorf("%s: %d %.300s", path, res.StatusCode, text)
	}
	return nil
}
