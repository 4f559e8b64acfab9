package passkey

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/lentil-dev/lentil/internal/identity"
)

// ceremonyTime is how long a browser waits for its authenticator. The challenge's own
// life is shorter or longer, as its keeper says.
const ceremonyTime = 5 * time.Minute

// maxResponse is more than any authenticator's answer: without attestation it has a
// public key, an id and some flags.
const maxResponse = 12 << 10

// ErrRefused is what every answer of an authenticator ends in that proves nothing.
var ErrRefused = errors.New("passkey: refused")

// refused says why, for the log and for tests.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// Ceremony is one exchange with an authenticator. Challenge is of at least 16 random
// bytes, and whoever keeps it takes it back after the first answer, right or wrong.
type Ceremony struct {
	Environment identity.EnvironmentID
	Origin      string // of the page, "https://auth.example.com"
	Challenge   []byte
}

// RP is the relying party of an origin, its host; "" if browsers know no passkeys
// there: they want https, but for localhost, and a name rather than an address.
func RP(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if host == "" || net.ParseIP(host) != nil || u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return ""
	}
	return host
}

// handle is the user handle that authenticators keep. It is derived, so that it need
// not be stored, and says nothing of the user (WebAuthn §14.6.1).
func handle(tx *identity.Tx, e *identity.Environment, user identity.UserID) ([]byte, error) {
	return tx.Derive(e, "passkey user handle", string(user))
}

// algorithms are the signature algorithms taken, preferred first.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// Creation is what a page's script tells the browser so that it makes a passkey, in
// JSON (PublicKeyCredentialCreationOptionsJSON). app is the relying party's name.
func (s *Service) Creation(tx *identity.Tx, e *identity.Environment, c Ceremony, u *identity.User, app string) (string, error) {
	h, err := handle(tx, e, u.ID)
	if err != nil {
		return "", err
	}
	have, err := s.List(tx, e.ID, u.ID)
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(u.FirstName + " " + u.LastName)
	if name == "" {
		name = u.Email
	}
	yes := true
	o := protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{CredentialEntity: protocol.CredentialEntity{Name: app}, ID: RP(c.Origin)},
		User:         protocol.UserEntity{CredentialEntity: protocol.CredentialEntity{Name: u.Email}, DisplayName: name, ID: protocol.URLEncodedBase64(h)},
		Challenge:    c.Challenge, Parameters: algorithms, Timeout: int(ceremonyTime.Milliseconds()), CredentialExcludeList: descriptors(have, RP(c.Origin)),
		AuthenticatorSelection: protocol.AuthenticatorSelection{RequireResidentKey: &yes, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
		Attestation:            protocol.PreferNoAttestation,
	}
	b, err := json.Marshal(o)
	return string(b), err
}

// descriptors name the passkeys that an authenticator need not make again.
func descriptors(have []Passkey, rp string) (out []protocol.CredentialDescriptor) {
	for _, p := range have {
		if p.RP != rp {
			continue
		}
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: p.Credential}
		for _, t := range p.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, d)
	}
	return out
}

// Request is what a page's script tells the browser so that it shows whichever
// passkey the person chooses (PublicKeyCredentialRequestOptionsJSON). It names none:
// a page says nothing of who has which.
func (c Ceremony) Request() (string, error) {
	b, err := json.Marshal(protocol.PublicKeyCredentialRequestOptions{Challenge: c.Challenge, Timeout: int(ceremonyTime.Milliseconds()), RelyingPartyID: RP(c.Origin),
		UserVerification: protocol.VerificationRequired})
	return string(b), err
}

// Made is a passkey that a ceremony has made and nobody keeps yet.
type Made struct {
	RP         string
	Credential []byte
	PublicKey  []byte
	SignCount  uint32
	Transports []string
	Model      string
	BackedUp   bool
}

// Make takes the browser's answer to Creation.
func (c Ceremony) Make(response string) (m Made, err error) {
	rp := RP(c.Origin)
	if rp == "" || len(c.Challenge) < 16 || len(response) > maxResponse {
		return m, refused("no ceremony at %s", c.Origin)
	}
	p, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return m, refused("%s", explain(err))
	}
	at := p.Response.AttestationObject
	_, certified := at.AttStatement["x5c"]
	if f := protocol.AttestationFormat(at.Format); f != protocol.AttestationFormatNone && (f != protocol.AttestationFormatPacked || certified) {
		return m, refused("attestation of format %q", at.Format)
	}
	if _, err := p.Verify(c.challenge(), rp, []string{c.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, nil, algorithms,
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return m, refused("%s", explain(err))
	}
	data := at.AuthData
	m = Made{RP: rp, Credential: data.AttData.CredentialID, PublicKey: data.AttData.CredentialPublicKey, SignCount: data.Counter, BackedUp: data.Flags.HasBackupState()}
	if g := data.AttData.AAGUID; len(g) == 16 {
		m.Model = fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
	}
	for _, t := range p.Response.Transports {
		if len(t) <= 32 && len(m.Transports) < 8 {
			m.Transports = append(m.Transports, string(t))
		}
	}
	return m, nil
}

// challenge is the challenge as the browser repeats it.
func (c Ceremony) challenge() string { return protocol.URLEncodedBase64(c.Challenge).String() }

// Shown is what a passkey has proven. If Refusal is not empty, it is nothing, and
// User, if known, is whose passkey it claims to be.
type Shown struct {
	User      identity.UserID
	Passkey   ID
	SignCount uint32
	BackedUp  bool
	Refusal   string
}

// Show takes the browser's answer to Request. Whatever is wrong with it is in the
// result; Use is to be called if nothing is.
func (s *Service) Show(tx *identity.Tx, e *identity.Environment, c Ceremony, response string) (sh Shown, err error) {
	rp := RP(c.Origin)
	if rp == "" || len(c.Challenge) < 16 || len(response) > maxResponse {
		return Shown{Refusal: "no ceremony here"}, nil
	}
	p, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return Shown{Refusal: explain(err)}, nil
	}
	f, err := byCredential(tx, e.ID, p.RawID)
	if err != nil {
		return sh, err
	}
	if f == nil {
		return Shown{Refusal: "unknown credential"}, nil
	}
	k := read(f.Record)
	h, err := handle(tx, e, k.User)
	if err != nil {
		return sh, err
	}
	sh = Shown{User: k.User, Passkey: k.ID, SignCount: p.Response.AuthenticatorData.Counter, BackedUp: p.Response.AuthenticatorData.Flags.HasBackupState()}
	switch {
	case k.RP != rp:
		sh.Refusal = "made for another host"
	case subtle.ConstantTimeCompare(p.Response.UserHandle, h) != 1:
		sh.Refusal = "the user handle is another user's"
	default:
		if err := p.Verify(c.challenge(), rp, "", []string{c.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, slices.Clone(k.PublicKey),
			protocol.SignaturePolicy{}); err != nil {
			sh.Refusal = explain(err)
		} else if !grows(k.SignCount, sh.SignCount) {
			sh.Refusal = "the signature counter went back: the passkey may have been copied"
		}
	}
	return sh, nil
}

// explain is what the library says, with its details.
func explain(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return strings.TrimSpace(e.Details + " " + e.DevInfo)
	}
	return err.Error()
}
