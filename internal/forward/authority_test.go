package forward

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// secret is a house's secret in tests.
var secret = bytes.Repeat([]byte{7}, 32)

// pool trusts an authority.
func pool(t *testing.T, a *Authority) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the authority's certificate was not taken")
	}
	return p
}

func TestAuthorityVouchesForVendors(t *testing.T) {
	t.Parallel()
	a, err := NewAuthority(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pool(t, a)
	for _, host := range Hosts {
		c, err := a.TLS().GetCertificate(&tls.ClientHelloInfo{ServerName: strings.ToUpper(host)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: trusted}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore); life > 3*24*time.Hour {
			t.Errorf("%s lasts %v", host, life)
		}
	}
	for _, host := range []string{"", "example.com", "workos.com", "x.api.workos.com", "api.workos.com.evil.example", "127.0.0.1"} {
		if _, err := a.TLS().GetCertificate(&tls.ClientHelloInfo{ServerName: host}); err == nil {
			t.Errorf("vouched for %q", host)
		}
	}
}

// Whoever has the key can still not imitate anybody else.
func TestAuthorityStolenIsOfNoUse(t *testing.T) {
	t.Parallel()
	a, err := NewAuthority(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pool(t, a)
	forge := func(template x509.Certificate, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
		template.SerialNumber = serial()
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if !template.IsCA {
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning}
		}
		der, err := x509.CreateCertificate(bytes.NewReader(bytes.Repeat([]byte{1}, 4096)), &template, parent, a.leaf.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	other := forge(x509.Certificate{DNSNames: []string{"www.example.com"}}, a.cert, a.key)
	if _, err := other.Verify(x509.VerifyOptions{DNSName: "www.example.com", Roots: trusted}); err == nil {
		t.Error("a certificate for another name was believed")
	}
	both := forge(x509.Certificate{DNSNames: []string{WorkOSAPI, "www.example.com"}}, a.cert, a.key)
	if _, err := both.Verify(x509.VerifyOptions{DNSName: WorkOSAPI, Roots: trusted}); err == nil {
		t.Error("a certificate for a vendor's name and another was believed")
	}
	ip := forge(x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}, a.cert, a.key)
	if _, err := ip.Verify(x509.VerifyOptions{DNSName: "192.0.2.1", Roots: trusted}); err == nil {
		t.Error("a certificate for an address was believed")
	}
	ours := forge(x509.Certificate{DNSNames: []string{WorkOSAPI}}, a.cert, a.key)
	if _, err := ours.Verify(x509.VerifyOptions{DNSName: WorkOSAPI, Roots: trusted}); err != nil {
		t.Errorf("the forgery is bad, which proves nothing: %v", err)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning} {
		if _, err := ours.Verify(x509.VerifyOptions{Roots: trusted, KeyUsages: []x509.ExtKeyUsage{use}}); err == nil {
			t.Errorf("a certificate was believed for use %v", use)
		}
	}
	below := forge(x509.Certificate{
		Subject: pkix.Name{CommonName: "below"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.cert, a.key)
	leaf := forge(x509.Certificate{DNSNames: []string{"www.example.com"}}, below, a.leaf)
	between := x509.NewCertPool()
	between.AddCert(below)
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "www.example.com", Roots: trusted, Intermediates: between}); err == nil {
		t.Error("an authority below was believed")
	}
}

func TestAuthorityStaysTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, err := NewAuthority(secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := NewAuthority(secret, first.PEM())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.PEM(), again.PEM()) {
			t.Error("the kept certificate was not used")
		}
		other, err := NewAuthority(bytes.Repeat([]byte{8}, 32), first.PEM())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(first.PEM(), other.PEM()) {
			t.Error("another secret's certificate was used")
		}
		if _, err := NewAuthority(secret, []byte("no certificate")); err != nil {
			t.Error(err)
		}
		leaf, err := again.certificate(WorkOSAPI)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Hour)
		if later, err := again.certificate(WorkOSAPI); err != nil || later == leaf {
			t.Errorf("a leaf that ends soon was given (%v)", err)
		}
		time.Sleep(authorityLife)
		renewed, err := NewAuthority(secret, first.PEM())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(first.PEM(), renewed.PEM()) {
			t.Error("a certificate that has ended was kept")
		}
		one, err := first.KeyHash()
		two, err2 := renewed.KeyHash()
		if err != nil || err2 != nil || one != two {
			t.Errorf("the leaves' key changed: %s, %s (%v, %v)", one, two, err, err2)
		}
	})
}
