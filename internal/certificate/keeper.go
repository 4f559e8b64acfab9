package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
)

// Keeper has the certificates of a listener. Fill the fields, call Open, and Run
// what keeps them fresh.
type Keeper struct {
	// Files are pairs of a certificate with its chain and a private key, both PEM.
	Files []Pair
	// ACME gets certificates for names that no file has; nil for none.
	ACME *ACME
	Log  *slog.Logger

	loaded atomic.Pointer[[]*loaded]
}

// Pair names the files of one certificate.
type Pair struct{ Certificate, Key string }

// loaded is a certificate of a pair of files.
type loaded struct {
	pair    Pair
	cert    *tls.Certificate
	marks   [2]mark // of the files when they were read
	problem string  // why a newer state of the files is not in use
}

// watchEvery is how often files are looked at: tools that renew certificates write
// them weeks before the old ones end.
const watchEvery = 10 * time.Second

// Open reads the files.
func (k *Keeper) Open() error {
	all := make([]*loaded, 0, len(k.Files))
	for _, p := range k.Files {
		l, err := load(p)
		if err != nil {
			return err
		}
		all = append(all, l)
	}
	k.loaded.Store(&all)
	if k.ACME != nil {
		return k.ACME.open(k.Log)
	}
	return nil
}

// Run reads files again when they change, and gets and renews certificates, until
// ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	done := make(chan struct{})
	if k.ACME != nil {
		go func() { defer close(done); k.ACME.run(ctx, k.covered) }()
	} else {
		close(done)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			<-done
			return ctx.Err()
		case <-tick.C:
			k.refresh(false)
		}
	}
}

// Reload reads all files again, now. What can be used is used; the error tells of
// the rest.
func (k *Keeper) Reload() error { return k.refresh(true) }

// refresh reads files again that have changed, or all. Connections that are open
// keep the certificate they began with; new ones get the new one.
func (k *Keeper) refresh(all bool) error {
	old := *k.loaded.Load()
	fresh := make([]*loaded, len(old))
	var first error
	for i, l := range old {
		fresh[i] = l
		if !all && l.marks == marksOf(l.pair) {
			continue
		}
		next, err := load(l.pair)
		if err == nil {
			if l.problem != "" || next.cert.Leaf.SerialNumber.Cmp(l.cert.Leaf.SerialNumber) != 0 {
				k.Log.Info("certificate was read again", "file", l.pair.Certificate, "until", next.cert.Leaf.NotAfter)
			}
			fresh[i] = next
			continue
		}
		if first == nil {
			first = err
		}
		// The old one stays. Its marks move on, so that one mistake is told once.
		kept := *l
		kept.marks, kept.problem = marksOf(l.pair), err.Error()
		fresh[i] = &kept
		k.Log.Error("changed certificate cannot be used, the one before stays in use", "file", l.pair.Certificate, "err", err)
	}
	k.loaded.Store(&fresh)
	return first
}

// Config is what a listener needs: TLS 1.2 at the least, with the suites that
// Mozilla calls intermediate (https://wiki.mozilla.org/Security/Server_Side_TLS);
// HTTP/2, and HTTP/1.1 for WebSockets.
func (k *Keeper) Config() *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: k.get,
		NextProtos:     []string{"h2", "http/1.1"},
		// Of those without forward secrecy or authenticated encryption, none. TLS 1.3
		// has its own.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
	if k.ACME != nil {
		c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	}
	return c
}

// Challenge answers the authority's questions over plain HTTP (RFC 8555 §8.3) and
// passes on everything else.
func (k *Keeper) Challenge(next http.Handler) http.Handler {
	if k.ACME == nil {
		return next
	}
	return k.ACME.manager.HTTPHandler(next)
}

// get chooses the certificate of a connection: one from files that is for the name,
// else the authority's, else the first from files, whose name will be wrong, but
// which tells whoever looks what is configured here.
func (k *Keeper) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if k.ACME != nil && slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return k.ACME.get(hello)
	}
	files := *k.loaded.Load()
	for _, l := range files {
		if l.covers(hello.ServerName) && hello.SupportsCertificate(l.cert) == nil {
			return l.cert, nil
		}
	}
	for _, l := range files { // an older client that the better one does not suit
		if l.covers(hello.ServerName) {
			return l.cert, nil
		}
	}
	if k.ACME != nil && hello.ServerName != "" {
		cert, err := k.ACME.get(hello)
		if err == nil || len(files) == 0 {
			return cert, err
		}
	}
	if len(files) > 0 {
		return files[0].cert, nil
	}
	return nil, fmt.Errorf("certificate: none for %q", hello.ServerName)
}

// covered says whether a name has a certificate from files.
func (k *Keeper) covered(name string) bool {
	return slices.ContainsFunc(*k.loaded.Load(), func(l *loaded) bool { return l.covers(name) })
}

// Uncovered are those of the names that nothing here is for, nor could become.
func (k *Keeper) Uncovered(names []string) (all []string) {
	for _, name := range names {
		if k.ACME == nil && !k.covered(name) {
			all = append(all, name)
		}
	}
	return all
}

// covers says whether a certificate is for a name.
func (l *loaded) covers(name string) bool {
	return name != "" && l.cert.Leaf.VerifyHostname(strings.TrimSuffix(name, ".")) == nil
}

// State is how a certificate stands.
type State struct {
	Names  []string  `json:"names"`
	Source string    `json:"source"` // the file, or the authority
	Until  time.Time `json:"until,omitzero"`
	// Problem is what a person should do something about.
	Problem string `json:"problem,omitempty"`
}

// soon is how long before its end a certificate is a problem: whoever renews it
// should have done so.
const soon = 14 * 24 * time.Hour

// States tells of all certificates, those from files first.
func (k *Keeper) States() []State {
	var all []State
	for _, l := range *k.loaded.Load() {
		s := State{Names: l.cert.Leaf.DNSNames, Source: l.pair.Certificate, Until: l.cert.Leaf.NotAfter, Problem: l.problem}
		if s.Problem == "" {
			s.Problem = aging(l.cert.Leaf.NotBefore, l.cert.Leaf.NotAfter, time.Now())
		}
		all = append(all, s)
	}
	if k.ACME != nil {
		all = append(all, k.ACME.states()...)
	}
	return all
}

// aging says what is wrong with a certificate's age; "" if nothing is. Short-lived
// ones may come near their end.
func aging(from, until, now time.Time) string {
	near := min(soon, until.Sub(from)/4)
	switch {
	case now.After(until):
		return "it ended on " + until.UTC().Format(time.DateOnly)
	case now.Before(from):
		return "it is not valid before " + from.UTC().Format(time.DateTime) + "; is the clock right?"
	case now.Add(near).After(until):
		return "it ends on " + until.UTC().Format(time.DateOnly) + " and was not renewed"
	}
	return ""
}
