package token

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// fetchTimeout bounds one fetch of a provider's document.
	fetchTimeout = 10 * time.Second
	// maxDocument bounds a fetched document; real key sets have a few kB.
	maxDocument = 1 << 20
	// maxKeys bounds the keys of one set.
	maxKeys = 500
	// defaultFresh is how long a document without cache headers is used, as at
	// the imitated service (convex-cli.md §3).
	defaultFresh = 30 * time.Second
	// maxFresh caps a document's own max-age, so that a revoked key ends some day.
	maxFresh = 24 * time.Hour
	// refetchGap is the least time between two fetches caused by unknown key
	// ids: tokens with made-up ids must not turn us into a hammer.
	refetchGap = 10 * time.Second
	// failureGap is the least time between fetches after one that failed.
	failureGap = time.Second
	// staleFor is how long an outdated document still serves when its source
	// does not answer.
	staleFor = 10 * time.Minute
)

// fetchError is a document that cannot be had.
type fetchError struct {
	message   string
	temporary bool // the network or a 5xx: asking again later may help
	cause     error
}

// Error is the message alone; it may be shown to callers.
func (e *fetchError) Error() string { return e.message }

// Unwrap gives the cause, for the log.
func (e *fetchError) Unwrap() error { return e.cause }

// document is a JSON document at a URL, kept as its cache headers allow and
// parsed once per fetch. Invariant: at most one fetch runs at a time; everybody
// else waits for it.
type document[T any] struct {
	url     string
	client  *http.Client
	what    string // "JWKS", for messages
	accepts []string
	parse   func(body []byte) (T, error)

	mu       sync.Mutex // guards the rest; never held during a fetch
	value    T
	have     bool
	fetched  time.Time
	fresh    time.Time // until when value may be used without asking
	failed   time.Time
	failure  error
	fetching chan struct{} // closed when the running fetch ends; nil if none
}

// get returns the document. If newer is set it must have been fetched after the
// call began, unless the rate limit for such fetches forbids.
func (d *document[T]) get(ctx context.Context, newer bool) (T, error) {
	for {
		d.mu.Lock()
		now := time.Now()
		switch {
		case d.have && newer && now.Sub(d.fetched) < refetchGap,
			d.have && !newer && now.Before(d.fresh):
			v := d.value
			d.mu.Unlock()
			return v, nil
		case d.failure != nil && now.Sub(d.failed) < failureGap:
			v, err := d.value, d.failure
			if d.have && now.Sub(d.fetched) < staleFor {
				err = nil
			}
			d.mu.Unlock()
			return v, err
		case d.fetching == nil:
			d.fetching = make(chan struct{})
			go d.fetch(context.WithoutCancel(ctx))
		}
		wait := d.fetching
		d.mu.Unlock()
		select {
		case <-wait:
			d.mu.Lock()
			v, err, usable := d.value, d.failure, d.have && time.Since(d.fetched) < staleFor
			d.mu.Unlock()
			if err == nil || usable {
				return v, nil
			}
			return v, err
		case <-ctx.Done():
			var zero T
			return zero, &fetchError{message: d.what + " was not fetched in time", temporary: true, cause: ctx.Err()}
		}
	}
}

// fetch gets the document once and publishes the result.
func (d *document[T]) fetch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	v, fresh, err := d.load(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if err == nil {
		d.value, d.have, d.fetched, d.fresh, d.failure = v, true, now, now.Add(fresh), nil
	} else {
		d.failure, d.failed = err, now
	}
	close(d.fetching)
	d.fetching = nil
}

// load fetches and parses, and says how long the result stays fresh.
func (d *document[T]) load(ctx context.Context) (v T, fresh time.Duration, err error) {
	if strings.HasPrefix(d.url, "data:") {
		body, err := dataURL(d.url)
		if err != nil {
			return v, 0, &fetchError{message: fmt.Sprintf("the %s data: URL cannot be read", d.what), cause: err}
		}
		v, err := d.parse(body)
		return v, maxFresh, err
	}
	unreachable := func(cause error, temporary bool, why string) error {
		return &fetchError{temporary: temporary, cause: cause,
			message: fmt.Sprintf("could not fetch the %s (%s). Is the URL %s accessible from this server?", d.what, why, clip(d.url))}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return v, 0, unreachable(err, false, "not a URL")
	}
	req.Header.Set("Accept", "application/json")
	client := d.client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return v, 0, unreachable(err, true, "no answer")
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return v, 0, unreachable(nil, res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests,
			"status "+strconv.Itoa(res.StatusCode))
	}
	if err := d.checkType(res.Header.Get("Content-Type")); err != nil {
		return v, 0, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return v, 0, unreachable(err, true, "the answer broke off")
	}
	if len(body) > maxDocument {
		return v, 0, &fetchError{message: fmt.Sprintf("Invalid %s response body: larger than %d bytes", d.what, maxDocument)}
	}
	v, err = d.parse(body)
	return v, freshness(res.Header.Get("Cache-Control")), err
}

// checkType applies the content-type rule of convex-sync.md §7: a listed media
// type, and no charset but UTF-8.
func (d *document[T]) checkType(header string) error {
	t, params, err := mime.ParseMediaType(header)
	ok := false
	for _, a := range d.accepts {
		ok = ok || t == a
	}
	if cs, has := params["charset"]; err != nil || !ok || has && !strings.EqualFold(cs, "utf-8") {
		return &fetchError{message: fmt.Sprintf("Invalid %s response content type %q; expected %s", d.what, clip(header), strings.Join(d.accepts, " or "))}
	}
	return nil
}

// freshness reads how long an answer may be kept from its Cache-Control.
func freshness(cacheControl string) time.Duration {
	fresh := defaultFresh
	for part := range strings.SplitSeq(cacheControl, ",") {
		name, arg, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(arg, `"`), 10, 32); err == nil && n >= 0 {
				fresh = min(time.Duration(n)*time.Second, maxFresh)
			}
		}
	}
	return fresh
}

// dataURL decodes a data: URL (RFC 2397). Its media type is not looked at.
func dataURL(u string) ([]byte, error) {
	meta, data, ok := strings.Cut(strings.TrimPrefix(u, "data:"), ",")
	if !ok {
		return nil, errors.New("no comma")
	}
	if len(data) > maxDocument {
		return nil, errors.New("too large")
	}
	text, err := url.PathUnescape(data)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(strings.ToLower(meta), ";base64") {
		return []byte(text), nil
	}
	text = strings.TrimRight(text, "=")
	if b, err := base64.RawStdEncoding.DecodeString(text); err == nil {
		return b, nil
	}
	return base64.RawURLEncoding.DecodeString(text)
}

// RemoteKeySet is a key set fetched from a provider's JWKS URL (or held in a
// data: URL) and kept as its cache headers allow. A key id that it does not
// hold makes it ask again, at most every ten seconds.
type RemoteKeySet struct {
	doc document[map[string]setKey]
}

// NewRemoteKeySet makes a set of a URL; nothing is fetched yet. A nil client
// means http.DefaultClient.
func NewRemoteKeySet(jwksURL string, client *http.Client) *RemoteKeySet {
	return &RemoteKeySet{doc: document[map[string]setKey]{
		url: jwksURL, client: client, what: "JWKS",
		accepts: []string{"application/json", JWKSContentType}, parse: parseJWKS,
	}}
}

// Key finds a key by its id, fetching the set when it is not fresh.
func (s *RemoteKeySet) Key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k, err := s.keyFor(ctx, kid)
	return k.key, err
}

// keyFor finds a key together with its declared algorithm.
func (s *RemoteKeySet) keyFor(ctx context.Context, kid string) (setKey, error) {
	for _, newer := range []bool{false, true} {
		keys, err := s.doc.get(ctx, newer)
		if err != nil {
			return setKey{}, err
		}
		if k, ok := keys[kid]; ok {
			return k, nil
		}
		if strings.HasPrefix(s.doc.url, "data:") {
			break // it cannot have changed
		}
	}
	return setKey{}, fmt.Errorf("%w: %q", ErrNoKey, clip(kid))
}

// parseJWKS reads a JSON Web Key Set. Keys of unknown kinds, for encryption or
// without an id are passed over, as RFC 7517 §5 asks; of two keys with one id
// the first counts.
func parseJWKS(body []byte) (map[string]setKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, &fetchError{message: "Invalid JWKS response body: not valid JSON", cause: err}
	}
	if set.Keys == nil {
		return nil, &fetchError{message: "Invalid JWKS response body: it has no member `keys`"}
	}
	if len(*set.Keys) > maxKeys {
		return nil, &fetchError{message: fmt.Sprintf("Invalid JWKS response body: more than %d keys", maxKeys)}
	}
	out := map[string]setKey{}
	for _, raw := range *set.Keys {
		var j jose.JSONWebKey
		if err := j.UnmarshalJSON(raw); err != nil || !j.Valid() || j.KeyID == "" || j.Use != "" && j.Use != "sig" {
			continue
		}
		if j = j.Public(); j.Key == nil {
			continue // symmetric keys have no public part and verify nothing here
		}
		if _, dup := out[j.KeyID]; !dup {
			out[j.KeyID] = setKey{key: j.Key, alg: j.Algorithm}
		}
	}
	return out, nil
}
