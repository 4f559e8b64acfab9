package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/certificate"
)

// issue writes a pair of files for names that is good for so long from now.
func issue(t *testing.T, dir, name string, good time.Duration, hosts ...string) (certificate.Pair, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: hosts,
		NotBefore: time.Now().Add(-60 * 24 * time.Hour), NotAfter: time.Now().Add(good), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := certificate.Pair{Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	for file, block := range map[string]*pem.Block{p.Certificate: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return p, cert
}

// months is a lifetime that nobody need worry about.
const months = 90 * 24 * time.Hour

func TestFilesAreChosenByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, _ := issue(t, dir, "one", months, "one.example.com")
	wild, _ := issue(t, dir, "wild", months, "*.deployments.example.com", "deployments.example.com")
	k := &certificate.Keeper{Files: []certificate.Pair{one, wild}, Log: slog.New(slog.DiscardHandler)}
	l := listen(t)
	serve(t, k, nil, l)
	for host, want := range map[string]string{
		"one.example.com": "one", "happy-otter-1.deployments.example.com": "wild", "deployments.example.com": "wild",
		"else.example.com": "one", "": "one",
	} {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q got the certificate %q", host, got)
		}
		c.Close()
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("a version of TLS from another time was taken")
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}); err == nil {
		t.Error("a suite without authenticated encryption was taken")
	}
}

func TestNewFilesAreTakenWithoutDroppingConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair, first := issue(t, dir, "house", months, "house.example.com")
	k := &certificate.Keeper{Files: []certificate.Pair{pair}, Log: slog.New(slog.DiscardHandler)}
	l := listen(t)
	serve(t, k, nil, l)
	pool := x509.NewCertPool()
	pool.AddCert(first)
	open := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "house.example.com"}}}
	ask := func() error {
		res, err := open.Get("https://" + l.Addr().String())
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	serial := func() *big.Int {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "house.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber
	}
	_, second := issue(t, dir, "house", months, "house.example.com")
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if serial().Cmp(second.SerialNumber) != 0 {
		t.Error("the new certificate is not in use")
	}
	if err := ask(); err != nil { // the pool knows the first one alone: a new connection would fail
		t.Errorf("the open connection was dropped: %v", err)
	}
	// A half-written file changes nothing, and is told.
	text, err := os.ReadFile(pair.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pair.Certificate, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err == nil || !strings.Contains(err.Error(), "are no certificate with its key") {
		t.Errorf("err = %v", err)
	}
	if serial().Cmp(second.SerialNumber) != 0 || k.States()[0].Problem == "" {
		t.Errorf("%+v", k.States())
	}
	if err := os.WriteFile(pair.Certificate, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err != nil || k.States()[0].Problem != "" {
		t.Errorf("%v, %+v", err, k.States())
	}
}

func TestFilesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, _ := issue(t, dir, "one", months, "one.example.com")
	two, _ := issue(t, dir, "two", months, "two.example.com")
	nameless, _ := issue(t, dir, "nameless", months)
	for want, p := range map[string]certificate.Pair{
		"cannot be read: no such file":     {Certificate: one.Certificate, Key: filepath.Join(dir, "nowhere")},
		"are no certificate with its key":  {Certificate: one.Certificate, Key: two.Key},
		"names no host (subject alternat":  nameless,
		"failed to find any PEM data in c": {Certificate: os.DevNull, Key: one.Key},
	} {
		err := (&certificate.Keeper{Files: []certificate.Pair{p}, Log: slog.New(slog.DiscardHandler)}).Open()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %q", err, want)
		}
	}
}

func TestAgeIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var pairs []certificate.Pair
	for name, good := range map[string]time.Duration{"good": months, "near": 3 * 24 * time.Hour, "over": -time.Hour} {
		p, _ := issue(t, dir, name, good, name+".example.com")
		pairs = append(pairs, p)
	}
	k := &certificate.Keeper{Files: pairs, Log: slog.New(slog.DiscardHandler)}
	if err := k.Open(); err != nil {
		t.Fatal(err)
	}
	for _, s := range k.States() {
		want := map[string]string{"good.example.com": "", "near.example.com": "was not renewed", "over.example.com": "it ended on"}[s.Names[0]]
		if want == "" && s.Problem != "" || !strings.Contains(s.Problem, want) {
			t.Errorf("%+v", s)
		}
	}
	if !bytes.Contains([]byte(k.States()[0].Source), []byte(".pem")) {
		t.Errorf("%+v", k.States()[0])
	}
}
