package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// outside is a network on which nothing answers.
type outside struct{ asked []string }

// RoundTrip notes who was asked.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked = append(o.asked, r.URL.String())
	return nil, errors.New("no network")
}

func TestVendorHostIsThisHouse(t *testing.T) {
	t.Parallel()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/nothing" {
			return
		}
		w.Header().Set("X-Saw", r.Method+" "+r.Host+" "+r.URL.Path+"?"+r.URL.RawQuery+" "+r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusTeapot)
		w.Write(b)
	})
	for _, tt := range []struct {
		setting string
		private bool
		own     bool
	}{{"", true, true}, {"", false, false}, {"own", false, true}, {"away", true, false}} {
		net := &outside{}
		way := &vendorWay{next: net}
		way.open(tt.setting, tt.private, api)
		c := &http.Client{Transport: way}
		r, _ := http.NewRequest("POST", "https://api.workos.com/events?after=x", strings.NewReader("soup"))
		r.Header.Set("Authorization", "Bearer sk")
		res, err := c.Do(r)
		if !tt.own {
			if err == nil || len(net.asked) != 1 {
				t.Errorf("%+v: %v %v", tt, res, net.asked)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusTeapot || string(b) != "soup" || res.Header.Get("X-Saw") != "POST api.workos.com /events?after=x Bearer sk" {
			t.Errorf("%d %q %q", res.StatusCode, b, res.Header)
		}
		if res, err := c.Get("https://api.workos.com/nothing"); err != nil || res.StatusCode != 200 {
			t.Errorf("%v %v", res, err)
		}
		for _, other := range []string{"http://api.workos.com/", "https://api.workos.com.example/", "https://api.workos.com:8443/", "https://example.com/"} {
			if res, err := c.Get(other); err == nil {
				t.Errorf("%s: %v", other, res)
			}
		}
		if len(net.asked) != 4 {
			t.Errorf("asked %v", net.asked)
		}
	}
}

// TestVendorAnswersThatBreakOffEndNothing: a handler cuts its connection by a panic, which
// net/http recovers from; here there is none around it, and it was the end of the house.
func TestVendorAnswersThatBreakOffEndNothing(t *testing.T) {
	t.Parallel()
	way := &vendorWay{next: &outside{}}
	way.open("own", false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the first part of an export")
		switch r.URL.Path {
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/fault":
			panic("of ours")
		case "/long":
			for piece := make([]byte, 1<<20); ; {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}
	}))
	c := &http.Client{Transport: way}
	for path, want := range map[string]string{"/cut": "broke off", "/fault": "broke off", "/long": "longer than 64 MB", "/whole": ""} {
		res, err := c.Get("https://api.workos.com" + path)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, res, err)
		}
	}
}
