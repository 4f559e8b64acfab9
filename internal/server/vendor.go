package server

import (
	"bytes"
	"errors"
	"fmt"
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
	err := answerInside(*own, a, in)
	if done := r.Context().Err(); done != nil {
		return nil, done
	}
	if err != nil {
		return nil, err
	}
	a.WriteHeader(http.StatusOK) // if nothing was written
	a.sent.Del("Transfer-Encoding")
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// errCut is what a function sees of an answer that broke off.
var errCut = errors.New("the answer broke off")

// answerInside lets a handler answer that no server stands around: a panic, which is
// how handlers cut a connection, would end the house.
func answerInside(h http.Handler, a *innerAnswer, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errCut
		}
	}()
	h.ServeHTTP(a, r)
	if a.long {
		err = fmt.Errorf("the answer is longer than %d MB", maxInner>>20)
	}
	return err
}

// maxInner bounds an answer, which is kept in memory; whole exports may be longer.
const maxInner = 64 << 20

// innerAnswer keeps an answer of the house's API.
type innerAnswer struct {
	long         bool // more came than is kept
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
	if a.body.Len()+len(b) > maxInner {
		a.long = true
		return 0, errCut
	}
	return a.body.Write(b)
}
