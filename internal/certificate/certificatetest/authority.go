package certificatetest

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Authority is an ACME server in this process, with the rules of Let's Encrypt.
type Authority struct {
	Directory string
	Roots     string         // PEM file that its own address is trusted by
	Issued    *x509.CertPool // what its certificates are trusted by

	server *httptest.Server
}

// Close ends it; certificates are not given any more.
func (a *Authority) Close() { a.server.Close() }

// Open starts one that asks for proofs on the given ports of this machine,
// whatever the host is called.
func Open(t *testing.T, httpPort, tlsPort int, keys map[string]string) *Authority {
	t.Helper()
	// These are for the only process-wide switches it has, both read once, here.
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{Listener: names, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		w.WriteMsg(a)
	})}
	go resolver.ActivateAndServe()
	t.Cleanup(func() { resolver.Shutdown() })

	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	for id, key := range keys {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			t.Fatal(err)
		}
	}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "the default profile"}})
	checker := va.New(quiet, httpPort, tlsPort, true, names.Addr().String(), store)
	front := wfe.New(quiet, store, checker, issuer, []string{"pebble.letsencrypt.org"}, true, len(keys) > 0, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)

	a := &Authority{Directory: s.URL + wfe.DirectoryPath, Roots: filepath.Join(t.TempDir(), "roots.pem"), Issued: x509.NewCertPool(), server: s}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(a.Roots, own, 0o600); err != nil {
		t.Fatal(err)
	}
	a.Issued.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
	return a
}
