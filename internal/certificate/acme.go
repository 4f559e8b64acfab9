package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// DefaultDirectory is the authority that is asked if no other is named.
const DefaultDirectory = autocert.DefaultACMEDirectory

// ACME gets certificates from an authority.
type ACME struct {
	// Directory is the address of the authority's directory; Email is where it
	// writes to when something is wrong.
	Directory, Email string
	// Roots is a PEM file with what the authority's own address is trusted by, for
	// one that is not public.
	Roots string
	// KeyID and MACKey bind the account to one that the authority knows already
	// (RFC 8555 §7.3.4); MACKey is base64url.
	KeyID, MACKey string
	// Hosts get their certificates at once, others when they are first asked for.
	Hosts []string
	// Allowed says whether a name is ours.
	Allowed func(ctx context.Context, host string) bool
	// Cache keeps accounts and certificates.
	Cache autocert.Cache
	// Agent names us to the authority.
	Agent string

	log     *slog.Logger
	manager autocert.Manager
	mu      sync.Mutex
	seen    map[string]State // by name
}

// The deadlines of what is asked of the authority.
const (
	askTime    = 30 * time.Second // one request
	obtainTime = 5 * time.Minute  // a whole certificate
	firstRetry = 5 * time.Minute  // authorities count failures by the hour
	lastRetry  = 4 * time.Hour
	// maxSeen bounds the names whose state is remembered.
	maxSeen = 1000
)

// open makes the manager.
func (a *ACME) open(log *slog.Logger) error {
	a.log, a.seen = log, map[string]State{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if a.Roots != "" {
		pem, err := os.ReadFile(a.Roots)
		if err != nil {
			return fmt.Errorf("roots of the ACME authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate in PEM", a.Roots)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: a.Agent, HTTPClient: &http.Client{Transport: transport, Timeout: askTime}}
	if client.DirectoryURL == "" {
		client.DirectoryURL = DefaultDirectory
	}
	a.manager = autocert.Manager{
		Prompt: autocert.AcceptTOS, // whoever configured us has accepted
		Cache:  a.Cache, Email: a.Email, Client: client,
		HostPolicy: func(ctx context.Context, host string) error {
			if name, _, err := net.SplitHostPort(host); err == nil {
				host = name // of a request over plain HTTP
			}
			if slices.Contains(a.Hosts, host) || a.Allowed != nil && a.Allowed(ctx, host) {
				return nil
			}
			return fmt.Errorf("certificate: %q is not a host of this house", host)
		},
	}
	if a.KeyID != "" {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(a.MACKey, "="))
		if err != nil || len(key) == 0 {
			return errors.New("the key that binds the ACME account must be base64url")
		}
		a.manager.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: a.KeyID, Key: key}
	}
	return nil
}

// get gives a certificate, from the cache or the authority.
func (a *ACME) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := a.manager.GetCertificate(hello)
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return cert, err
	}
	a.note(hello.ServerName, cert, err)
	return cert, err
}

// note remembers how the certificate of a name stands.
func (a *ACME) note(name string, cert *tls.Certificate, err error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	own := slices.Contains(a.Hosts, name)
	a.mu.Lock()
	defer a.mu.Unlock()
	s, known := a.seen[name]
	if err != nil && !own && !known {
		return // a stranger's name
	}
	if !known && len(a.seen) >= maxSeen && !own {
		return
	}
	s.Names, s.Source, s.Problem = []string{name}, a.manager.Client.DirectoryURL, ""
	if err != nil {
		s.Problem = "the authority gave none: " + err.Error()
	} else if cert.Leaf != nil {
		s.Until = cert.Leaf.NotAfter
		s.Problem = aging(cert.Leaf.NotBefore, cert.Leaf.NotAfter, time.Now())
	}
	a.seen[name] = s
}

// states tells of the names that were asked for, in order.
func (a *ACME) states() []State {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]State, 0, len(a.seen))
	for _, s := range a.seen {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Names[0], b.Names[0]) })
	return all
}

// run gets the certificates of the hosts that have none from files, so that nobody's
// first visit waits for the authority, and tries again what failed.
func (a *ACME) run(ctx context.Context, covered func(string) bool) {
	wait := firstRetry
	for {
		failed := false
		for _, host := range a.Hosts {
			if covered(host) || net.ParseIP(host) != nil || ctx.Err() != nil {
				continue
			}
			if err := a.obtain(ctx, host); err != nil {
				failed = true
				a.log.Error("no certificate", "host", host, "err", err, "again_in", wait)
			}
		}
		next := lastRetry // the manager renews by itself; this keeps the states true
		if failed {
			next = wait
		}
		wait = afterThat(failed, wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// afterThat is how long to wait behind the next round that fails: longer each time, and
// again a little once one has not.
func afterThat(failed bool, wait time.Duration) time.Duration {
	if !failed {
		return firstRetry
	}
	return min(2*wait, lastRetry)
}

// obtain asks as a browser of today would.
func (a *ACME) obtain(ctx context.Context, host string) error {
	done := make(chan error, 1)
	go func() {
		_, err := a.get(&tls.ClientHelloInfo{
			ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}, SupportedCurves: []tls.CurveID{tls.CurveP256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(obtainTime):
		return errors.New("the authority did not answer in time")
	}
}
