package authflow

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// grants is the table of the grants that are served; see Redeem.
var grants = map[GrantType]struct {
	confidential bool // the client must prove itself by its secret
	redeem       func(f *Flow, ctx context.Context, g *grantCall) error
}{
	GrantAuthorizationCode:     {false, (*Flow).redeemCode},
	GrantRefreshToken:          {false, (*Flow).redeemRefresh},
	GrantPassword:              {true, (*Flow).redeemPassword},
	GrantMagicAuth:             {true, (*Flow).redeemMagic},
	GrantEmailVerification:     {true, (*Flow).redeemVerification},
	GrantMFATOTP:               {true, (*Flow).redeemTOTP},
	GrantOrganizationSelection: {true, (*Flow).redeemSelection},
	GrantRadarEmail:            {true, (*Flow).redeemRadar},
	GrantRadarSMS:              {true, (*Flow).redeemRadar},
	GrantDeviceCode:            {false, (*Flow).redeemDevice},
}

// grantCall is one call of Redeem on its way to a Grant.
type grantCall struct {
	GrantRequest
	client identity.ClientID
	proven bool // the client's secret came along and is right

	provider, tokens string // of a code that came of a provider; tokens are sealed

	environment *identity.Environment
	session     *identity.Session
	user        *identity.User
	refresh     string
	signer      *token.Signer
	claims      *claims       // of the access token, see tell
	custom      []token.Claim // by the environment's template
	answered    []webhook.ActionKind
}

// oauth makes a refusal in the form {error, error_description}.
func oauth(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...).With(&Refusal{OAuth: true})
}

// plain makes a refusal in the form {code, message}.
func plain(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...).With(&Refusal{})
}

// The refusals that do not depend on what was sent.
var (
	errCode     = oauth("invalid_grant", "The code has expired or is invalid.")
	errCodeUsed = oauth("invalid_grant", "The code has already been used.")
	errVerifier = oauth("invalid_grant", "The code verifier does not match the code challenge.")
	errClient   = oauth("invalid_client", "Invalid client ID.")
	errSecret   = oauth("invalid_client", "Invalid client secret.")
)

// Redeem answers POST authenticate. Every refusal is an *apierr.Error whose
// Details are a *Refusal.
func (f *Flow) Redeem(ctx context.Context, r GrantRequest) (*Grant, error) {
	kind, served := grants[r.Type]
	if !served {
		if r.Type == "" {
			return nil, oauth("invalid_request", "grant_type is missing.")
		}
		return nil, oauth("unsupported_grant_type", "The grant type is not supported.")
	}
	g := &grantCall{GrantRequest: r, client: identity.ClientID(r.ClientID)}
	if r.ClientID == "" {
		return nil, oauth("invalid_request", "client_id is missing.")
	}
	if kind.confidential && r.ClientSecret == "" {
		return nil, oauth("invalid_client", "client_secret is missing. This grant is for servers, which send their API key as the secret.")
	}
	if err := f.redeemAsking(ctx, g, kind.redeem); err != nil {
		if errors.Is(err, errSecret) && f.seldom.now("secret "+r.ClientID, time.Now()) {
			// The app shows its own "something went wrong"; this is for its developer.
			f.Log.Warn("the app's API key was refused: it is no key of this environment; compare WORKOS_API_KEY where the app runs",
				"client", r.ClientID)
		}
		return nil, shaped(err)
	}
	access, err := g.sign(g.environment.Now())
	if err != nil {
		return nil, err
	}
	f.warnOfSize(g, access)
	var tokens *connector.Tokens
	if g.tokens != "" {
		if tokens, err = f.SSO.OpenTokens(g.tokens); err != nil {
			return nil, err
		}
	}
	return &Grant{
		Environment: g.environment, User: g.user, Session: g.session.ID, AccessToken: access, RefreshToken: g.refresh,
		OrganizationID: g.session.Organization, AuthenticationMethod: g.session.Method, Impersonator: g.session.Impersonator,
		OAuthProvider: g.provider, OAuth: tokens,
	}, nil
}

// shaped gives a refusal from below the body form of its grant: the OAuth one
// unless it has one already. Losing too many races for a row is no fault of the
// caller, who may try again.
func shaped(err error) error {
	if errors.Is(err, database.ErrConflict) {
		return apierr.New(apierr.Overloaded, "temporarily_unavailable", "Too many requests for the same session. Please try again.").With(&Refusal{OAuth: true}).Wrap(err)
	}
	e, ok := apierr.As(err)
	if !ok {
		return err
	}
	if _, ok := e.Details.(*Refusal); ok {
		return e
	}
	return e.With(&Refusal{OAuth: true})
}

// enter finds the client's environment, checks its secret if one came, and gets
// the signer.
func (g *grantCall) enter(tx *identity.Tx) error {
	e, err := tx.EnvironmentByClient(g.client)
	if apierr.KindOf(err) == apierr.NotFound {
		return errClient
	}
	if err != nil {
		return err
	}
	g.environment = e
	if g.proven = false; g.ClientSecret != "" {
		owner, _, err := tx.KeyEnvironment(g.ClientSecret)
		if err != nil {
			return err
		}
		if owner == nil || owner.ID != e.ID {
			return errSecret
		}
		g.proven = true
	}
	g.signer, err = tx.Signer(e.ID)
	return err
}

// start begins the session that a grant leads to.
func (f *Flow) start(tx *identity.Tx, g *grantCall, n identity.NewSession) (err error) {
	if n.IPAddress == "" {
		n.IPAddress = g.IPAddress
	}
	if n.UserAgent == "" {
		n.UserAgent = g.UserAgent
	}
	if err = f.mayStart(tx, g, n); err != nil {
		return err
	}
	if g.session, g.refresh, err = tx.StartSession(g.environment, n); err != nil {
		return err
	}
	if n.Impersonator == nil { // whom they act as was not here
		if err = tx.SignedIn(g.environment.ID, n.User); err != nil {
			return err
		}
	}
	if g.user, err = tx.User(g.environment.ID, n.User); err != nil {
		return err
	}
	return f.tell(tx, g)
}

// codeReplay is how long the same Idempotency-Key gets the same answer to a code:
// the retries of the official SDK end sooner (workos-api.md §1.5).
const codeReplay = 2 * time.Minute

// redeemCode is the authorization_code grant.
func (f *Flow) redeemCode(ctx context.Context, g *grantCall) error {
	if g.Code == "" {
		return oauth("invalid_request", "code is missing.")
	}
	var refusal error
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		refusal = nil
		if err := g.enter(tx); err != nil {
			return err
		}
		row, err := findCode(tx, g.Code)
		if err != nil {
			return err
		}
		if row == nil {
			return errCode
		}
		c := readCodeRow(row.Record)
		if c.Environment != g.environment.ID { // another client's: not even burned
			return errCode
		}
		if err := g.proves(c); err != nil {
			return err
		}
		g.provider, g.tokens = c.Provider, c.Tokens
		if !c.Redeemed.IsZero() {
			if again, err := f.again(tx, g, c); again || err != nil {
				return err
			}
			// RFC 6749 §4.1.2: what a code used twice has brought forth is not to be
			// trusted. Only who holds the verifier gets here.
			refusal = errCodeUsed
			_, err := tx.EndSession(c.Environment, c.Session)
			return err
		}
		if !tx.Now().Before(c.Expires) {
			return errCode
		}
		if _, err := tx.User(c.Environment, c.User); err != nil {
			if apierr.KindOf(err) == apierr.NotFound {
				return errCode
			}
			return err
		}
		if g.InvitationToken != "" {
			u, err := tx.User(c.Environment, c.User)
			if err != nil {
				return err
			}
			i, err := invited(tx, g.environment, g.InvitationToken, u)
			if err != nil {
				return err
			}
			if _, _, err := tx.AcceptInvitation(c.Environment, g.InvitationToken, c.User); err != nil {
				return invitationRefused(err)
			}
			if i.Organization != "" {
				c.Organization = i.Organization
			}
		}
		if c.Organization != "" { // it may have been left since
			m, err := tx.Membership(c.Environment, c.User, c.Organization)
			if err != nil {
				return err
			}
			if m == nil || m.Status != identity.MembershipActive {
				return errCode
			}
		}
		if err := f.start(tx, g, identity.NewSession{User: c.User, Organization: c.Organization, Method: c.Method, Second: c.Second, Impersonator: c.Impersonator, Authenticated: c.Authenticated, Browser: c.Browser, IPAddress: c.IPAddress, UserAgent: c.UserAgent}); err != nil {
			return err
		}
		c.Session, c.Redeemed = g.session.ID, tx.Now()
		if g.IdempotencyKey != "" {
			c.Idempotency = secretHash("idempotency key", g.IdempotencyKey)
		}
		return tx.Put(row.Doc, codeRow(g.Code, c))
	})
	if err != nil {
		return err
	}
	return refusal
}

// proves checks that whoever presents a code is who asked for it: by the verifier
// if there was a challenge, by the client's secret if there was none.
func (g *grantCall) proves(c *grantCode) error {
	switch {
	case c.Challenge == "" && g.CodeVerifier != "":
		// RFC 9700 §4.8.2: a verifier without a challenge hints at a stripped one.
		return plain("code_challenge_not_found", "A code_verifier was sent, but the sign-in began without a code_challenge.")
	case c.Challenge == "" && !g.proven:
		return oauth("invalid_client", "client_secret is missing. Clients without a secret must use PKCE.")
	case c.Challenge == "":
		return nil
	case len(g.CodeVerifier) < 43 || len(g.CodeVerifier) > 128: // RFC 7636 §4.1
		return errVerifier
	}
	sum := sha256.Sum256([]byte(g.CodeVerifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.Challenge)) != 1 {
		return errVerifier
	}
	return nil
}

// again repeats the answer to a code for a client that did not receive it, known by
// its Idempotency-Key.
func (f *Flow) again(tx *identity.Tx, g *grantCall, c *grantCode) (bool, error) {
	if g.IdempotencyKey == "" || c.Idempotency != secretHash("idempotency key", g.IdempotencyKey) || tx.Now().Sub(c.Redeemed) > codeReplay {
		return false, nil
	}
	var err error
	if g.session, g.refresh, err = tx.NewestToken(g.environment, c.Session); err != nil || g.session == nil {
		return false, err
	}
	if g.user, err = tx.User(g.environment.ID, c.User); err != nil {
		return false, err
	}
	return true, f.tell(tx, g)
}

// redeemRefresh is the refresh_token grant.
func (f *Flow) redeemRefresh(ctx context.Context, g *grantCall) (err error) {
	defer func() {
		switch {
		case f.Refreshed == nil:
		case err == nil:
			f.Refreshed("renewed")
		default:
			f.Refreshed("refused")
		}
	}()
	if g.RefreshToken == "" {
		return oauth("invalid_request", "Missing refresh token. It was neither in the request nor in a cookie; if the app runs on another site than this host, its browser sends no cookie here.")
	}
	var refusal error
	err = f.Identity.Update(ctx, func(tx *identity.Tx) error {
		refusal = nil
		if err := g.enter(tx); err != nil {
			return err
		}
		s, next, refused, err := tx.Refresh(g.environment, g.RefreshToken)
		if err != nil {
			return err
		}
		if refused != nil {
			refusal, g.session = refused, s // and the transaction stands: reuse ended the session
			return nil
		}
		g.session, g.refresh = s, next
		g.user, err = tx.User(g.environment.ID, s.User)
		if apierr.KindOf(err) == apierr.NotFound {
			return oauth("invalid_grant", "Session has already ended.")
		}
		if err != nil {
			return err
		}
		// Clients send the organization they are in with every refresh: that is no
		// switch (workos-api.md §1.1.3).
		if g.Organization != "" && g.Organization != s.Organization {
			if err := f.mayEnter(tx, g, g.Organization); err != nil {
				return err
			}
			if g.session, err = tx.MoveSession(g.environment, s.ID, g.Organization); err != nil {
				return err
			}
		}
		return f.tell(tx, g)
	})
	if err != nil {
		return err
	}
	if refusal == error(identity.ErrRefreshReused) {
		f.Log.Warn("exchanged refresh token presented again, session ended", "session", g.session.ID, "user", g.session.User)
	}
	return refusal
}
