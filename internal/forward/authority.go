package forward

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// The vendors' hosts that official tools and packages name literally.
const (
	WorkOSAPI       = "api.workos.com"
	WorkOSDashboard = "dashboard.workos.com"
	ConvexAPI       = "api.convex.dev"
	ConvexVersion   = "version.convex.dev"
	ConvexAuth      = "auth.convex.dev"
)

// Hosts are all of them: the only names that an authority can vouch for.
var Hosts = []string{WorkOSAPI, WorkOSDashboard, ConvexAPI, ConvexVersion, ConvexAuth}

// How long certificates last. The authority's is made anew, with the same key,
// when less than a quarter of its time is left; a leaf when less than half is.
const (
	authorityLife = 2 * 365 * 24 * time.Hour
	leafLife      = 48 * time.Hour
	clockSkew     = time.Hour // by which a certificate is valid before it is made
)

// Authority is a certificate authority for the vendors' names. It may be used by
// many goroutines.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	leaf *ecdsa.PrivateKey // of all leaves: one key to name in a browser's switch

	mu     sync.Mutex // guards leaves; never held over a handshake
	leaves map[string]*tls.Certificate
}

// NewAuthority makes the authority whose keys follow from a secret of a house.
// kept is its certificate, in PEM, as it was made the last time; it is made anew
// if it is missing, ends soon, or is not of this key.
func NewAuthority(secret, kept []byte) (*Authority, error) {
	a := &Authority{leaves: map[string]*tls.Certificate{}}
	var err error
	if a.key, err = derive(secret, "authority"); err != nil {
		return nil, err
	}
	if a.leaf, err = derive(secret, "leaf"); err != nil {
		return nil, err
	}
	if a.cert = a.still(kept); a.cert != nil {
		return a, nil
	}
	return a, a.certify()
}

// derive computes a key on P-256 from a secret, so that nothing has to be kept.
func derive(secret []byte, what string) (*ecdsa.PrivateKey, error) {
	for try := range 16 { // a number is out of range once in 2^32
		b, err := hkdf.Key(sha256.New, secret, nil, fmt.Sprintf("lentil vendor %s key v1|%d", what, try), 32)
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("forward: no key follows from this secret")
}

// still gives the kept certificate if it serves on, or nil.
func (a *Authority) still(kept []byte) *x509.Certificate {
	block, _ := pem.Decode(kept)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !a.key.PublicKey.Equal(cert.PublicKey) || !slices.Equal(cert.PermittedDNSDomains, Hosts) {
		return nil
	}
	if now := time.Now(); now.Before(cert.NotBefore) || cert.NotAfter.Sub(now) < authorityLife/4 {
		return nil
	}
	return cert
}

// certify makes the authority's own certificate.
func (a *Authority) certify() error {
	now := time.Now()
	_, four, _ := net.ParseCIDR("0.0.0.0/0")
	_, six, _ := net.ParseCIDR("::/0")
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Lentil, in place of Convex and WorkOS on this machine"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		// A kind of name that no constraint speaks of would be unbounded, hence the
		// networks; server certificates have no other kinds.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         Hosts,
		ExcludedIPRanges:            []*net.IPNet{four, six},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("forward: certify the authority: %w", err)
	}
	a.cert, err = x509.ParseCertificate(der)
	return err
}

// serial is a random serial number (RFC 5280 §4.1.2.2: positive, 20 octets at most).
func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

// PEM is the authority's certificate, for those who shall trust it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// KeyHash is the hash of the key of every leaf, as Chromium's switch
// --ignore-certificate-errors-spki-list takes it.
func (a *Authority) KeyHash() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(a.leaf.Public())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Owns says whether a host name is one of the vendors'.
func Owns(host string) bool {
	return slices.Contains(Hosts, strings.ToLower(strings.TrimSuffix(host, ".")))
}

// TLS is how the house ends connections to the vendors' names.
func (a *Authority) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.certificate(h.ServerName)
		},
	}
}

// certificate gives the leaf of a vendor's name.
func (a *Authority) certificate(host string) (*tls.Certificate, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !Owns(host) {
		return nil, fmt.Errorf("%q is not a name that this house answers to", host)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if c := a.leaves[host]; c != nil && c.Leaf.NotAfter.Sub(now) > leafLife/2 {
		return c, nil
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leaf.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("forward: certify %s: %w", host, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: a.leaf, Leaf: leaf}
	a.leaves[host] = c
	return c, nil
}
