package server

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

// The values of Config.VendorHost.
const (
	vendorOwn  = "own"  // the vendor's host is this house
	vendorAway = "away" // the vendor's host is the vendor's
)

// vendorWay is the way to the network of functions' fetch. What is for the vendor's
// API, whose address some packages name literally, goes to the house's own API, in
// process and without a network (workos-api.md §0.2).
type vendorWay struct {
	next http.RoundTripper
	own  atomic.Pointer[http.Handler] // nil until the front is there, or if it is not wanted
}

// open lets the house answer for the vendor if that is wanted: by default where
// only people on this machine reach it.
func (v *vendorWay) open(setting string, private bool, api http.Handler) {
	if answersForVendor(setting, private) {
		v.own.Store(&api)
	}
}

// answersForVendor says whether a setting of VendorHost means this house.
func answersForVendor(setting string, private bool) bool {
	return setting == vendorOwn || setting == "" && private
}

// RoundTrip sends a request.
func (v *vendorWay) RoundTrip(r *http.Request) (*http.Response, error) {
	own := v.own.Load()
	if own == nil || r.URL.Scheme != "https" || r.URL.Host != vendorHost && r.URL.Host != vendorHost+":443" {
		return v.next.RoundTrip(r)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Proto, in.ProtoMajor, in.ProtoMinor = r.URL.RequestURI(), "127.0.0.1:0", "HTTP/1.1", 1, 1
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	a := &innerAnswer{header: http.Header{}}
	(*own).ServeHTTP(a, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a.WriteHeader(http.StatusOK) // if nothing was written
	a.sent.Del("Transfer-Encoding")
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// innerAnswer keeps an answer of the house's API, which is never long.
type innerAnswer struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

// Header is the head that is being written.
func (a *innerAnswer) Header() http.Header { return a.header }

// WriteHeader fixes it.
func (a *innerAnswer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status, a.sent = status, a.header.Clone()
	}
}

// Write keeps a piece of the body.
func (a *innerAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
