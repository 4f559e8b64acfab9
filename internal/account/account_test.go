package account_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/passkey/passkeytest"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/token"
)

// origin is where the tests' pages are, and password what everybody there has.
const (
	origin   = "https://auth.example.com"
	password = "correct horse battery"
)

// house is the account page's rooms over the in-memory store.
type house struct {
	t       *testing.T
	ids     *identity.Service
	outbox  *mail.Outbox
	env     *identity.Environment
	account *account.Service
}

// inHouse runs f with a house in a bubble.
func inHouse(t *testing.T, set identity.Settings, f func(h *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
		must(t, err)
		h := &house{t: t, outbox: &mail.Outbox{}, ids: &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}}
		flow := &authflow.Flow{Identity: h.ids, Mail: h.outbox, Hasher: &authflow.Hasher{Memory: 64, Passes: 1}}
		h.account = &account.Service{Identity: h.ids, Flow: flow, Passkeys: &passkey.Service{Identity: h.ids}, SSO: &sso.Service{Identity: h.ids, Sealer: h.ids.Sealer}, Log: slog.New(slog.DiscardHandler)}
		for _, open := range []func(context.Context) error{h.ids.Open, flow.Open, h.account.Passkeys.Open, h.account.SSO.Open} {
			must(t, open(ctx))
		}
		var wg sync.WaitGroup
		wg.Go(func() { h.ids.Run(ctx) })
		wg.Go(func() { flow.Run(ctx) })
		h.env, err = h.ids.CreateEnvironment(ctx, identity.NewEnvironment{Name: "Test", Settings: set})
		must(t, err)
		f(h)
		cancel()
		wg.Wait()
		db.Close()
	})
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person makes a user and signs a browser in as them.
func (h *house) person(email string) *account.Person {
	h.t.Helper()
	hash, err := h.account.Flow.Hasher.Hash(h.t.Context(), password)
	must(h.t, err)
	u, err := h.ids.CreateUser(h.t.Context(), h.env.ID, identity.NewUser{Email: email, EmailVerified: true, PasswordHash: hash})
	must(h.t, err)
	return h.browser(u)
}

// browser signs a browser in as a user.
func (h *house) browser(u *identity.User) *account.Person {
	h.t.Helper()
	v := authflow.Visitor{Origin: origin}
	must(h.t, h.ids.Update(h.t.Context(), func(tx *identity.Tx) (err error) {
		var b *identity.BrowserSession
		if b, v.SSO, err = tx.StartBrowser(h.env, identity.BrowserSession{User: u.ID, Method: identity.MethodPassword}); err != nil {
			return err
		}
		_, _, err = tx.StartSession(h.env, identity.NewSession{User: u.ID, Method: identity.MethodPassword, Browser: b.ID})
		return err
	}))
	return h.again(v)
}

// again looks who a browser is now.
func (h *house) again(v authflow.Visitor) *account.Person {
	h.t.Helper()
	p, err := h.account.Who(h.t.Context(), h.env.ClientID, v)
	must(h.t, err)
	return p
}

// letters are the texts mailed to an address.
func (h *house) letters(to string) (out string) {
	h.t.Helper()
	synctest.Wait()
	l, err := h.outbox.List(h.t.Context(), to)
	must(h.t, err)
	for _, m := range l {
		out += m.Text
	}
	return out
}

func TestAccountStaleSignInChangesNothing(t *testing.T) {
	inHouse(t, identity.Settings{SignIn: identity.SignInMethods{Passkeys: true}}, func(h *house) {
		ctx, p := h.t.Context(), h.person("ada@example.com")
		options, err := h.account.NewPasskey(ctx, p)
		must(h.t, err)
		time.Sleep(account.FreshFor + time.Second)
		old := *p // a page that was rendered in time and posted too late
		for _, p := range []*account.Person{&old, h.again(p.Visitor)} {
			for name, change := range map[string]func() error{
				"password": func() error {
					_, err := h.account.ChangePassword(ctx, p, password, "another good passphrase", true)
					return err
				},
				"email":          func() error { _, err := h.account.SendEmailCode(ctx, p, "eve@example.com"); return err },
				"email code":     func() error { _, err := h.account.ConfirmEmail(ctx, p, "123456"); return err },
				"factor":         func() error { _, _, err := h.account.AddFactor(ctx, p, "123456"); return err },
				"no factor":      func() error { return h.account.RemoveFactor(ctx, p, "auth_factor_1") },
				"recovery codes": func() error { _, err := h.account.NewRecoveryCodes(ctx, p); return err },
				"passkey": func() error {
					_, err := h.account.AddPasskey(ctx, p, passkeytest.New(origin).Create(options))
					return err
				},
				"no passkey": func() error { _, err := h.account.RemovePasskey(ctx, p, "passkey_1"); return err },
				"unlink": func() error {
					_, err := h.account.Unlink(ctx, p, sso.Upstream{IDP: "1", Type: "GoogleOAuth"})
					return err
				},
			} {
				if err := change(); !errors.Is(err, account.ErrStale) {
					h.t.Errorf("%s: %v", name, err)
				}
			}
		}
		if text := h.letters("ada@example.com") + h.letters("eve@example.com"); text != "" {
			h.t.Errorf("mailed %q", text)
		}
	})
}

func TestAccountOfSomebodyElseIsOutOfReach(t *testing.T) {
	inHouse(t, identity.Settings{SignIn: identity.SignInMethods{Passkeys: true}}, func(h *house) {
		ctx, ada, eve := h.t.Context(), h.person("ada@example.com"), h.person("eve@example.com")
		options, err := h.account.NewPasskey(ctx, ada)
		must(h.t, err)
		if pb, err := h.account.AddPasskey(ctx, ada, passkeytest.New(origin).Create(options)); pb != nil || err != nil {
			h.t.Fatal(pb, err)
		}
		secret, _, err := h.account.NewFactor(ctx, ada)
		must(h.t, err)
		if _, pb, err := h.account.AddFactor(ctx, ada, identity.TOTPCode(secret, time.Now())); pb != nil || err != nil {
			h.t.Fatal(pb, err)
		}
		o, err := h.account.Overview(ctx, ada)
		must(h.t, err)
		for name, err := range map[string]error{
			"session": h.account.EndSession(ctx, eve, o.Devices[0].ID),
			"factor":  h.account.RemoveFactor(ctx, eve, o.Factors[0].ID),
			"passkey": func() error { _, err := h.account.RemovePasskey(ctx, eve, o.Passkeys[0].ID); return err }(),
			"rename":  func() error { _, err := h.account.RenamePasskey(ctx, eve, o.Passkeys[0].ID, "mine"); return err }(),
		} {
			if apierr.KindOf(err) != apierr.NotFound {
				h.t.Errorf("%s of somebody else: %v", name, err)
			}
		}
		must(h.t, h.account.EndOthers(ctx, eve))
		after, err := h.account.Overview(ctx, ada)
		must(h.t, err)
		if len(after.Devices) != 1 || len(after.Factors) != 1 || len(after.Passkeys) != 1 || after.Passkeys[0].Name != o.Passkeys[0].Name {
			h.t.Errorf("%+v", after)
		}
	})
}

func TestAccountPasswordChange(t *testing.T) {
	inHouse(t, identity.Settings{}, func(h *house) {
		ctx, p := h.t.Context(), h.person("ada@example.com")
		other := h.browser(p.User)
		if pb, err := h.account.ChangePassword(ctx, p, "not the current one", "another good passphrase", true); err != nil || pb == nil || pb.Code != "invalid_credentials" {
			h.t.Fatal(pb, err)
		}
		if pb, err := h.account.ChangePassword(ctx, p, password, "password", true); err != nil || pb == nil {
			h.t.Fatal("a poor password was taken", err)
		}
		if pb, err := h.account.ChangePassword(ctx, p, password, "another good passphrase", false); err != nil || pb != nil {
			h.t.Fatal(pb, err)
		}
		if h.again(other.Visitor).User == nil || h.again(p.Visitor).User == nil {
			h.t.Error("somebody was signed out who was to stay")
		}
		if pb, err := h.account.ChangePassword(ctx, p, "another good passphrase", "a third good passphrase", true); err != nil || pb != nil {
			h.t.Fatal(pb, err)
		}
		if h.again(other.Visitor).User != nil || h.again(p.Visitor).User == nil {
			h.t.Error("all others, and no one else, were to be signed out")
		}
		o, err := h.account.Overview(ctx, p)
		must(h.t, err)
		if len(o.Devices) != 1 || o.Devices[0].Browser != p.Browser {
			h.t.Errorf("%+v", o.Devices)
		}
		if text := h.letters("ada@example.com"); strings.Count(text, "Your password was changed") != 2 {
			h.t.Errorf("mailed %q", text)
		}
	})
}

func TestAccountKeepsTheLastWayIn(t *testing.T) {
	inHouse(t, identity.Settings{SignIn: identity.SignInMethods{Passkeys: true, NoMagicCode: true}}, func(h *house) {
		ctx := h.t.Context()
		u, err := h.ids.CreateUser(ctx, h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true})
		must(h.t, err)
		p := h.browser(u)
		options, err := h.account.NewPasskey(ctx, p)
		must(h.t, err)
		if pb, err := h.account.AddPasskey(ctx, p, passkeytest.New(origin).Create(options)); pb != nil || err != nil {
			h.t.Fatal(pb, err)
		}
		o, err := h.account.Overview(ctx, p)
		must(h.t, err)
		if pb, err := h.account.RemovePasskey(ctx, p, o.Passkeys[0].ID); err != nil || pb == nil || pb.Code != "last_way_in" {
			h.t.Fatal(pb, err)
		}
		if pb, err := h.account.ChangePassword(ctx, p, "", "a good passphrase at last", false); err != nil || pb != nil {
			h.t.Fatal(pb, err)
		}
		if pb, err := h.account.RemovePasskey(ctx, p, o.Passkeys[0].ID); err != nil || pb != nil {
			h.t.Error(pb, err)
		}
	})
}

func TestAccountPasskeyChallengeWorksOnce(t *testing.T) {
	inHouse(t, identity.Settings{SignIn: identity.SignInMethods{Passkeys: true}}, func(h *house) {
		ctx, p := h.t.Context(), h.person("ada@example.com")
		options, err := h.account.NewPasskey(ctx, p)
		must(h.t, err)
		if pb, err := h.account.AddPasskey(ctx, p, "{}"); err != nil || pb == nil {
			h.t.Fatal("garbage was taken", err)
		}
		if pb, err := h.account.AddPasskey(ctx, p, passkeytest.New(origin).Create(options)); err != nil || pb == nil || pb.Code != "passkey_refused" {
			h.t.Error("a challenge that was answered already:", pb, err)
		}
		if theirs, err := h.account.NewPasskey(ctx, h.person("eve@example.com")); err != nil {
			h.t.Fatal(err)
		} else if pb, err := h.account.AddPasskey(ctx, p, passkeytest.New(origin).Create(theirs)); err != nil || pb == nil {
			h.t.Error("another browser's challenge:", pb, err)
		}
	})
}

func TestAccountEmailChangeTellsTheFormerMailbox(t *testing.T) {
	inHouse(t, identity.Settings{}, func(h *house) {
		ctx, p := h.t.Context(), h.person("ada@example.com")
		h.person("eve@example.com")
		if pb, err := h.account.SendEmailCode(ctx, p, "eve@example.com"); err != nil || pb == nil {
			h.t.Error("an address that is taken:", pb, err)
		}
		if pb, err := h.account.SendEmailCode(ctx, p, "lovelace@example.com"); err != nil || pb != nil {
			h.t.Fatal(pb, err)
		}
		synctest.Wait()
		l, err := h.outbox.List(ctx, "lovelace@example.com")
		must(h.t, err)
		if pb, err := h.account.ConfirmEmail(ctx, p, "000000"); err != nil || l[0].Code != "000000" && pb == nil {
			h.t.Error("a wrong code:", pb, err)
		}
		if pb, err := h.account.ConfirmEmail(ctx, p, l[0].Code); err != nil || pb != nil {
			h.t.Fatal(pb, err)
		}
		if now := h.again(p.Visitor).User; now == nil || now.Email != "lovelace@example.com" || !now.EmailVerified {
			h.t.Errorf("%+v", now)
		}
		if h.letters("ada@example.com") == "" {
			h.t.Error("the former mailbox was not told")
		}
	})
}
