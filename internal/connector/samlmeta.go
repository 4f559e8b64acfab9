package connector

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/crewjam/saml"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxCertificates bounds the certificates of one identity provider.
const maxCertificates = 10

// badMetadata is the refusal of metadata.
func badMetadata(cause error, why string) error {
	return apierr.New(apierr.BadRequest, "invalid_metadata", "The identity provider's metadata cannot be used: %s", why).Wrap(cause)
}

// ParseMetadata reads an identity provider's metadata document.
func ParseMetadata(b []byte) (IDPFacts, error) {
	var f IDPFacts
	// A published document may hold comments; what it may not hold is what blows up.
	if len(b) > maxXML || strings.Contains(string(b), "<!DOCTYPE") || strings.Contains(string(b), "<!ENTITY") {
		return f, badMetadata(nil, "it is too large or declares a document type.")
	}
	var root struct{ XMLName xml.Name }
	if err := xml.Unmarshal(b, &root); err != nil {
		return f, badMetadata(err, "it is not XML.")
	}
	var e saml.EntityDescriptor
	if root.XMLName.Local == "EntitiesDescriptor" {
		var all saml.EntitiesDescriptor
		if err := xml.Unmarshal(b, &all); err != nil {
			return f, badMetadata(err, "it is no SAML metadata.")
		}
		n := 0
		for _, d := range all.EntityDescriptors {
			if len(d.IDPSSODescriptors) > 0 {
				e = d
				n++
			}
		}
		if n != 1 {
			return f, badMetadata(nil, "it describes several identity providers; give the document of one.")
		}
	} else if err := xml.Unmarshal(b, &e); err != nil {
		return f, badMetadata(err, "it is no SAML metadata.")
	}
	if len(e.IDPSSODescriptors) == 0 {
		return f, badMetadata(nil, "it describes no identity provider. Is it the service provider's own?")
	}
	f.EntityID = e.EntityID
	for _, d := range e.IDPSSODescriptors {
		for _, s := range d.SingleSignOnServices {
			if s.Binding == saml.HTTPRedirectBinding && f.SSOURL == "" {
				f.SSOURL = s.Location
			}
		}
		for _, s := range d.SingleLogoutServices {
			if s.Binding == saml.HTTPRedirectBinding && f.SLOURL == "" {
				f.SLOURL = s.Location
			}
		}
		for _, k := range d.KeyDescriptors {
			if k.Use == "encryption" {
				continue
			}
			for _, c := range k.KeyInfo.X509Data.X509Certificates {
				f.Certificates = append(f.Certificates, c.Data)
			}
		}
	}
	return f, f.Check()
}

// Check normalises the facts and refuses those that could not work.
func (f *IDPFacts) Check() error {
	if f.EntityID == "" || len(f.EntityID) > 1024 {
		return badMetadata(nil, "the entity id is missing or too long.")
	}
	if !IsWeb(f.SSOURL) {
		return badMetadata(nil, "there is no address for sign-ins by redirect (SingleSignOnService with HTTP-Redirect).")
	}
	if f.SLOURL != "" && !IsWeb(f.SLOURL) {
		return badMetadata(nil, "the address for sign-outs is no web address.")
	}
	if len(f.Certificates) == 0 || len(f.Certificates) > maxCertificates {
		return badMetadata(nil, fmt.Sprintf("it needs 1 to %d signing certificates.", maxCertificates))
	}
	seen := map[string]bool{}
	var out []string
	for _, text := range f.Certificates {
		c, err := ParseCertificate(text)
		if err != nil {
			return badMetadata(err, "a certificate cannot be read.")
		}
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
			return badMetadata(nil, "a certificate's RSA key has fewer than 2048 bits.")
		}
		der := base64.StdEncoding.EncodeToString(c.Raw)
		if !seen[der] {
			seen[der] = true
			out = append(out, der)
		}
	}
	f.Certificates = out
	return nil
}

// ParseCertificate reads a certificate in PEM, or in base64 as metadata has it.
func ParseCertificate(text string) (*x509.Certificate, error) {
	if block, _ := pem.Decode([]byte(strings.TrimSpace(text))); block != nil {
		return x509.ParseCertificate(block.Bytes)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// FetchMetadata fetches and reads an identity provider's metadata.
func FetchMetadata(ctx context.Context, client *http.Client, address string) (IDPFacts, error) {
	if !IsWeb(address) {
		return IDPFacts{}, badMetadata(nil, "its address is none of the web.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return IDPFacts{}, badMetadata(err, "its address is none.")
	}
	status, body, err := fetch(client, req)
	if err != nil {
		return IDPFacts{}, badMetadata(err, "its address did not answer. Does this server reach it?")
	}
	if status != http.StatusOK {
		return IDPFacts{}, badMetadata(nil, fmt.Sprintf("its address answered with status %d.", status))
	}
	return ParseMetadata(body)
}

// certificateLife is how long our own certificates are said to be good: they are
// containers for a key that only this house has.
const certificateLife = 10 * 365 * 24 * time.Hour

// SelfSigned makes a certificate for a key.
func SelfSigned(key *rsa.PrivateKey, name string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("connector: make certificate: %w", err)
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name[:min(len(name), 60)]}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("connector: make certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	return c, errors.Join(err)
}
