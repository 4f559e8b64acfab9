package authflow

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// The device flow (RFC 8628): a device without a keyboard shows a short code, a person
// enters it in the browser of another one, signs in there, and says that it was they
// who asked; the device meanwhile asks again and again.

// Lifetimes and pace (workos-api.md §1.10), and how much slower each poll that comes
// too early makes the next (RFC 8628 §3.5).
const (
	DeviceLifetime = 300 * time.Second
	DeviceInterval = 5 * time.Second
	deviceSlower   = 5 * time.Second
)

// userCodeLetters are consonants that are hard to mistake for each other and spell
// nothing (RFC 8628 §6.1): eight of them have 34 bits.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// limitDevice bounds the guesses at codes that one browser, and one address, may make:
// of a thousand codes that wait at a time, a thousand guessers find none in a year.
var limitDevice = limit{free: 10, first: time.Minute, longest: time.Hour, forget: 24 * time.Hour}

// The states of a device's request.
const (
	deviceWaits   = "waiting"
	deviceAllowed = "allowed"
	deviceDenied  = "denied"
)

// DeviceAuthorization is the answer to a device that wants to be signed in.
type DeviceAuthorization struct {
	DeviceCode string
	UserCode   string // "BCDF-GHJK"
	Expires    time.Duration
	Interval   time.Duration
}

// newUserCode makes a code for people.
func newUserCode() (string, error) {
	b := make([]byte, userCodeLength)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters))))
		if err != nil {
			return "", fmt.Errorf("authflow: make user code: %w", err)
		}
		b[i] = userCodeLetters[n.Int64()]
	}
	return string(b), nil
}

// readUserCode takes a code as people type it; ok is false if it cannot be one.
func readUserCode(s string) (code string, ok bool) {
	if len(s) > 64 {
		return "", false
	}
	code = strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u2010' || r == '\u2013' {
			return -1
		}
		return r
	}, s))
	return code, len(code) == userCodeLength && strings.Trim(code, userCodeLetters) == ""
}

// showUserCode writes a code in two groups.
func showUserCode(code string) string { return code[:userCodeLength/2] + "-" + code[userCodeLength/2:] }

// AuthorizeDevice answers POST authorize/device.
func (f *Flow) AuthorizeDevice(ctx context.Context, client identity.ClientID, ip string) (*DeviceAuthorization, error) {
	if client == "" {
		return nil, oauth("invalid_request", "client_id is missing.")
	}
	if k, ok := addressKey("begin", "", ip); ok { // every one leaves a row
		if retry := f.limits.take(k, limitBegin, time.Now()); retry > 0 {
			return nil, tooManyRequests(retry)
		}
	}
	secret := newSecret()
	var code string
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.EnvironmentByClient(client)
		if apierr.KindOf(err) == apierr.NotFound {
			return errClient
		}
		if err != nil {
			return err
		}
		for {
			if code, err = newUserCode(); err != nil {
				return err
			}
			taken, err := tx.First(tableDevices, "on_user_code", secretHash("user code", code))
			if err != nil {
				return err
			}
			if taken == nil {
				break
			}
		}
		return tx.Add(tableDevices, identity.Row{
			identity.Text("id", identity.NewID("device_")), identity.Text("hash", secretHash("device code", secret)), identity.Text("user_code", secretHash("user code", code)),
			identity.Text("environment", e.ID), identity.Text("state", deviceWaits), identity.Duration("interval", DeviceInterval), identity.Time("polled", time.Time{}),
			identity.Time("expires", tx.Now().Add(DeviceLifetime)), identity.Time("forget", tx.Now().Add(DeviceLifetime+keepCodes)),
		})
	})
	if err != nil {
		return nil, shaped(err)
	}
	return &DeviceAuthorization{DeviceCode: secret, UserCode: showUserCode(code), Expires: DeviceLifetime, Interval: DeviceInterval}, nil
}

// EnterDevice begins an attempt for the code that a device shows. problem is what was
// wrong with the code. sso tells the browser's sign-in cookie of a client.
func (f *Flow) EnterDevice(ctx context.Context, v Visitor, sso func(identity.ClientID) string, typed string) (out *Begun, problem *Problem, err error) {
	out = &Begun{Browser: v.Browser}
	if !secretLooksRight(out.Browser) {
		out.Browser = newSecret()
	}
	now := time.Now()
	keys := []throttleKey{accountKey("device", "", out.Browser)}
	if k, ok := addressKey("device", "", v.IPAddress); ok {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if retry := f.limits.take(k, limitDevice, now); retry > 0 {
			return out, tooMuch(FieldCode, retry), nil
		}
	}
	code, ok := readUserCode(typed)
	if !ok {
		return out, &Problem{Field: FieldCode, Code: "invalid_user_code", Message: "Enter the 8 letters that the device shows."}, nil
	}
	err = f.Identity.Update(ctx, func(tx *identity.Tx) error {
		out.Attempt, out.Step = "", nil
		row, err := tx.First(tableDevices, "on_user_code", secretHash("user code", code))
		if err != nil {
			return err
		}
		if row == nil || row.Text("state") != deviceWaits {
			return nil
		}
		e, err := tx.Environment(identity.EnvironmentID(row.Text("environment")))
		if err != nil {
			return err
		}
		if !e.Now().Before(row.Time("expires")) {
			return nil
		}
		r := &AuthorizeRequest{}
		a := r.attempt(e, "", tx.Now())
		a.Browser, a.Device, a.UserCode = secretHash("browser", out.Browser), row.Text("id"), showUserCode(code)
		v.SSO = sso(e.ClientID)
		step, err := f.silent(tx, v, e, r, &a, nil) // the person is asked in any case, and then the action
		if err != nil {
			return err
		}
		if step == nil {
			step = ask(a, f.world(e, tx.Now(), ""), nil)
		}
		out.Attempt = a.ID
		if out.Step, err = f.dress(tx, step, e, &a); err != nil {
			return err
		}
		return tx.Add(tableAttempts, attemptRow(&a))
	})
	if err != nil {
		return nil, nil, err
	}
	if out.Attempt == "" {
		return out, &Problem{Field: FieldCode, Code: "unknown_user_code", Message: "This code is not right, or the device has waited too long. Check the code, or begin again on the device."}, nil
	}
	for _, k := range keys {
		f.limits.giveBack(k)
	}
	return out, nil, nil
}

// decideDevice writes down what the person said. gone is the page for a request that
// has run out or was answered elsewhere.
func (f *Flow) decideDevice(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, allow bool) (gone Step, err error) {
	row, err := tx.First(tableDevices, "on_id", a.Device)
	if err != nil {
		return nil, err
	}
	if row == nil || row.Text("state") != deviceWaits || !tx.Now().Before(row.Time("expires")) {
		a.Stage = atDeviceGone
		return ask(*a, f.world(e, tx.Now(), ""), nil), nil
	}
	if !allow {
		return nil, tx.Patch(row, identity.Row{identity.Text("state", deviceDenied)})
	}
	u, err := tx.User(e.ID, a.Proof.User)
	if err != nil {
		return f.gone(a, err)
	}
	about, err := signInContext(tx, e, u, a.Proof.Organization, a.Proof.Method, v.IPAddress, v.UserAgent)
	if err != nil {
		return nil, err
	}
	if err := f.mustAsk(tx, e, a.answered, webhook.ActionAuthentication, about); err != nil {
		return nil, err
	}
	if err := knowBrowser(tx, e.ID, u.ID, v.Browser); err != nil {
		return nil, err
	}
	since := a.Proof.Since
	if since.IsZero() { // else the browser's sign-in answered, which was recorded then
		since = tx.Now()
		for _, kind := range a.Proof.events() {
			if err := tx.RecordAuthentication(e.ID, authentication(kind, "succeeded", u, v.IPAddress, v.UserAgent, u.Email)); err != nil {
				return nil, err
			}
		}
	}
	return nil, tx.Patch(row, identity.Row{
		identity.Text("state", deviceAllowed), identity.Text("user", u.ID), identity.Text("organization", a.Proof.Organization), identity.Text("method", a.Proof.Method),
		identity.Text("second", a.Proof.Second), identity.Time("authenticated", since),
	})
}

// redeemDevice is the device_code grant: the device's question whether the person has
// answered yet.
func (f *Flow) redeemDevice(ctx context.Context, g *grantCall) error {
	if g.DeviceCode == "" {
		return oauth("invalid_request", "device_code is missing.")
	}
	var refusal error
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		refusal = nil
		if err := g.enter(tx); err != nil {
			return err
		}
		if !secretLooksRight(g.DeviceCode) {
			return errDevice
		}
		row, err := tx.First(tableDevices, "on_hash", secretHash("device code", g.DeviceCode))
		if err != nil {
			return err
		}
		if row == nil || row.Text("environment") != string(g.environment.ID) {
			return errDevice
		}
		if !tx.Now().Before(row.Time("expires")) {
			return oauth("expired_token", "The device code has expired. Begin again.")
		}
		switch row.Text("state") {
		case deviceDenied:
			refusal = oauth("access_denied", "The user refused the device.")
			return tx.Remove(row)
		case deviceAllowed:
			if err := tx.Remove(row); err != nil {
				return err
			}
			err := f.start(tx, g, identity.NewSession{User: identity.UserID(row.Text("user")), Organization: identity.OrganizationID(row.Text("organization")),
				Method: identity.Method(row.Text("method")), Second: row.Text("second"), Authenticated: row.Time("authenticated")})
			if apierr.KindOf(err) == apierr.NotFound { // deleted meanwhile
				return errDevice
			}
			return err
		}
		interval, polled := row.Duration("interval"), row.Time("polled")
		refusal = oauth("authorization_pending", "The user has not answered yet.")
		if !polled.IsZero() && tx.Now().Sub(polled) < interval {
			interval += deviceSlower
			refusal = oauth("slow_down", "The device asks too often; wait %d seconds between questions.", int(interval.Seconds()))
		}
		return tx.Patch(row, identity.Row{identity.Time("polled", tx.Now()), identity.Duration("interval", interval)})
	})
	if err != nil {
		return err
	}
	return refusal
}

// errDevice is the refusal of a code that no device was given, or that was used.
var errDevice = oauth("invalid_grant", "The device code is invalid or was used already.")
