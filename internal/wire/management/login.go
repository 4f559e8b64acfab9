package management

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The CLI logs in by OpenID Connect's discovery and the device flow (RFC 8628), with
// the library openid-client: `npx convex login --override-auth-url <control plane>`.

// Paths of the login.
const (
	discoveryPath = "/.well-known/openid-configuration"
	devicePath    = "/oauth/device_authorization"
	tokenPath     = "/oauth/token" //nolint:gosec // a path
	jwksPath      = "/oauth/jwks.json"
	confirmPath   = "/activate"
	stylePath     = "/activate.css"
)

// deviceGrant is the grant's name (RFC 8628 §3.4).
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// loginTokenLife is the life of what a login gives: the CLI changes it into a
// personal access token at once.
const loginTokenLife = 10 * time.Minute

// maxForm bounds the forms of the login.
const maxForm = 16 << 10

// signingKey signs id tokens. It is made when it is first needed and lives as long as
// the process: nobody keeps an id token longer than it takes to read it.
type signingKey struct {
	once   sync.Once
	signer *token.Signer
	set    *token.LocalKeySet
	err    error
}

// get makes the key, once.
func (k *signingKey) get() (*token.Signer, *token.LocalKeySet, error) {
	k.once.Do(func() {
		key, err := token.GenerateKey()
		if err == nil {
			k.signer, err = token.NewSigner("login-"+wire.NewRequestID(), key)
		}
		if err == nil {
			k.set, err = token.NewLocalKeySet(k.signer.PublicKey())
		}
		k.err = err
	})
	return k.signer, k.set, k.err
}

// mountLogin puts the login's routes on the mux.
func (a *API) mountLogin(f wire.Front) {
	a.mux.Handle("GET "+discoveryPath, f.Handle(a.discovery))
	a.mux.Handle("GET "+jwksPath, f.Handle(a.jwks))
	a.mux.Handle("POST "+devicePath, f.Handle(a.beginDevice))
	a.mux.Handle("POST "+tokenPath, f.Handle(a.redeemDevice))
	a.mountConfirm()
}

// discovery describes the issuer (OpenID Connect Discovery 1.0 §3).
func (a *API) discovery(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, object{
		"issuer": a.BaseURL, "device_authorization_endpoint": a.BaseURL + devicePath, "token_endpoint": a.BaseURL + tokenPath,
		"jwks_uri": a.BaseURL + jwksPath, "authorization_endpoint": a.BaseURL + confirmPath,
		"response_types_supported": []string{"none"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"grant_types_supported": []string{deviceGrant}, "scopes_supported": []string{"openid"},
	})
	return nil
}

// jwks publishes the key of id tokens.
func (a *API) jwks(w http.ResponseWriter, _ *http.Request) error {
	_, set, err := a.keys.get()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteRawJSON(w, set.JWKS())
}

// clientForm reads a form and its client_id. Any name will do: a client of a house
// has no secret, and what it gets is decided by the person who confirms.
func clientForm(w http.ResponseWriter, r *http.Request) (client string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", apierr.New(apierr.BadRequest, "invalid_request", "The request is not a form.").Wrap(err)
	}
	client = r.PostForm.Get("client_id")
	if client == "" || len(client) > 200 || strings.ContainsFunc(client, func(r rune) bool { return r < ' ' }) {
		return "", apierr.New(apierr.BadRequest, "invalid_client", "client_id is missing or too long.")
	}
	return client, nil
}

// beginDevice starts a login (RFC 8628 §3.1).
func (a *API) beginDevice(w http.ResponseWriter, r *http.Request) error {
	client, err := clientForm(w, r)
	if err != nil {
		return err
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	code, d, err := a.devices.begin(client, address)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, object{
		"device_code": code, "user_code": d.userCode,
		"verification_uri": a.BaseURL + confirmPath, "verification_uri_complete": a.BaseURL + confirmPath + "?user_code=" + d.userCode,
		"expires_in": int(deviceLife / time.Second), "interval": int(deviceInterval / time.Second),
	})
	return nil
}

// redeemDevice tells what became of a login (RFC 8628 §3.4).
func (a *API) redeemDevice(w http.ResponseWriter, r *http.Request) error {
	client, err := clientForm(w, r)
	if err != nil {
		return err
	}
	if g := r.PostForm.Get("grant_type"); g != deviceGrant {
		return apierr.New(apierr.BadRequest, "unsupported_grant_type", "The grant here is %s.", deviceGrant)
	}
	o, err := a.devices.poll(r.PostForm.Get("device_code"), client)
	if err != nil {
		return err
	}
	now := a.now()
	_, access, err := a.Platform.CreateCredential(r.Context(), platform.NewCredential{
		Kind: platform.PersonalToken, Name: "Login on its way", Operator: o.ID, Expires: now.Add(loginTokenLife),
	})
	if err != nil {
		return err
	}
	signer, _, err := a.keys.get()
	if err != nil {
		return err
	}
	id, err := signer.Sign(object{"iss": a.BaseURL, "aud": client, "sub": o.ID, "email": o.Email, "name": o.Name,
		"iat": now.Unix(), "exp": now.Add(loginTokenLife).Unix()})
	if err != nil {
		return err
	}
	write(w, http.StatusOK, object{"access_token": access, "token_type": "Bearer", "expires_in": int(loginTokenLife / time.Second), "id_token": id, "scope": "openid"})
	return nil
}
