package authflow_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// restart opens a house on a store that another house used before.
func restart(t *testing.T, store persistence.Store, secret string) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: store})
	must(t, err)
	h := &house{t: t, ids: &identity.Service{DB: db, Sealer: token.NewSealer([]byte(secret))}}
	h.outbox = &mail.Outbox{Limit: 3, Keep: authflow.OutboxKeeper{Identity: h.ids}}
	h.flow = &authflow.Flow{Identity: h.ids, Mail: h.outbox, Hasher: cheap()}
	must(t, h.ids.Open(t.Context()))
	must(t, h.flow.Open(t.Context()))
	all, err := h.ids.Environments(t.Context())
	must(t, err)
	if len(all) > 0 {
		h.env = &all[0]
	}
	return h
}

// run runs the flow until the returned function is called.
func (h *house) run() (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.flow.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func TestHouseRestartedSignsNobodyOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const secret = "0123456789abcdef0123456789abcdef"
		store := persistence.NewMemory()
		h := restart(t, store, secret)
		stop := h.run()
		var err error
		h.env, err = h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "Test"})
		must(t, err)
		b := &browser{h: h}
		g, err := h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		keys, _, err := h.ids.JWKS(t.Context(), h.env.ClientID)
		must(t, err)
		late := &browser{h: h}
		late.begin(h.request())
		late.submit(authflow.GoTo{Place: authflow.Forgot})
		late.submit(authflow.ForgotPassword{Email: "ada@example.com"})
		stop()

		h = restart(t, store, secret)
		stop = h.run()
		again, _, err := h.ids.JWKS(t.Context(), h.env.ClientID)
		must(t, err)
		if !bytes.Equal(keys, again) {
			t.Error("the signing key changed")
		}
		r, err := h.refresh(g.RefreshToken)
		must(t, err)
		if r.Session != g.Session {
			t.Error("another session")
		}
		b.h, late.h = h, h
		codeOf(t, b.begin(h.request()), h.request().State)
		step[*authflow.AskNewPassword](t, late.submit(authflow.EnterCode{Code: h.mailedCode("ada@example.com")}))
		stop()

		// Under another master key nothing can be signed or derived.
		h = restart(t, store, "another key another key another!")
		if _, err := h.refresh(r.RefreshToken); err == nil || !strings.Contains(err.Error(), "master key") {
			t.Errorf("other master key: %v", err)
		}
	})
}

func TestOutboxKeeperKeepsTheNewest(t *testing.T) {
	t.Parallel()
	store := persistence.NewMemory()
	h := restart(t, store, "0123456789abcdef")
	for i := range 5 {
		must(t, h.outbox.Send(t.Context(), mail.Message{To: "a@b.c", Subject: fmt.Sprint("m", i), Text: "t", Code: "123456"}))
	}
	h = restart(t, store, "0123456789abcdef")
	must(t, h.outbox.Send(t.Context(), mail.Message{To: "a@b.c", Subject: "m5", Text: "t"}))
	l, err := h.outbox.List(t.Context(), "")
	must(t, err)
	if len(l) != 3 || l[0].Subject != "m5" || l[0].ID != 6 || l[2].Subject != "m3" || l[2].Code != "123456" {
		t.Errorf("%+v", l)
	}
}

func TestRunSweepsWhatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := restart(t, persistence.NewMemory(), "0123456789abcdef")
		var err error
		h.env, err = h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "Test"})
		must(t, err)
		stop := h.run()
		b := &browser{h: h}
		_, err = h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		(&browser{h: h}).begin(h.request())
		stop()
		sweep := func() { // both rooms run for as long as one sweep takes
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() { h.ids.Run(ctx) })
			wg.Go(func() { h.flow.Run(ctx) })
			wg.Wait()
		}
		count := func(table string) (n int) {
			must(t, h.ids.View(t.Context(), func(tx *identity.Tx) (err error) {
				n, err = tx.Count(t.Context(), table)
				return err
			}))
			return n
		}
		for _, c := range []struct {
			after time.Duration
			left  map[string]int
		}{
			{0, map[string]int{"sign_in_attempts": 2, "authorization_codes": 1, "sessions": 1, "browser_sessions": 1, "known_browsers": 1}},
			{26 * time.Hour, map[string]int{"sign_in_attempts": 0, "authorization_codes": 0, "sessions": 1, "browser_sessions": 1, "known_browsers": 1}},
			{50 * 24 * time.Hour, map[string]int{"sessions": 0, "browser_sessions": 0, "known_browsers": 1, "users": 1, "signing_keys": 1}},
			{200 * 24 * time.Hour, map[string]int{"known_browsers": 0, "events": 0, "users": 1, "signing_keys": 1}},
		} {
			time.Sleep(c.after)
			sweep()
			for table, want := range c.left {
				if n := count(table); n != want {
					t.Errorf("after %v: %d rows in %s, want %d", c.after, n, table, want)
				}
			}
		}
	})
}

func TestRotationTakesEffectWithoutAnInvalidMoment(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		kid := func(jwt string) string { return strings.Split(jwt, ".")[0] } // the header differs by kid alone
		set, err := h.ids.KeySet(t.Context(), h.env.ClientID)
		must(t, err)
		old := kid(g.AccessToken)
		next, err := h.ids.RotateSigningKey(t.Context(), h.env.ID)
		must(t, err)
		var switched time.Duration
		text := g.RefreshToken
		for d := time.Duration(0); d < 2*time.Hour; d += 5 * time.Minute {
			time.Sleep(5 * time.Minute)
			r, err := h.refresh(text)
			must(t, err)
			text = r.RefreshToken
			if _, err := set.Key(t.Context(), string(next)); err != nil {
				t.Fatal("the new key is not published")
			}
			if kid(r.AccessToken) != old && switched == 0 {
				switched = d + 5*time.Minute
			}
		}
		if switched != 15*time.Minute {
			t.Errorf("switched after %v", switched)
		}
		jwks, _, err := h.ids.JWKS(t.Context(), h.env.ClientID)
		must(t, err)
		if strings.Count(string(jwks), `"kid"`) != 1 {
			t.Errorf("after two hours: %s", jwks)
		}
	})
}

func TestFlowOwnerIsNotLockedOutByGuessers(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		owner := &browser{h: h}
		owner.signUp("ada@example.com")
		for i := range 10 {
			guesser := &browser{h: h, v: authflow.Visitor{IPAddress: fmt.Sprint("192.0.2.", i)}}
			guesser.begin(h.request())
			guesser.submit(authflow.EnterPassword{Email: "ada@example.com", Password: "guess"})
		}
		stranger := &browser{h: h}
		stranger.begin(h.request())
		if s := stranger.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}); problem(s) != "too_many_attempts" {
			t.Errorf("stranger: %+v", s)
		}
		r := h.request()
		r.Prompt = "login"
		owner.begin(r)
		codeOf(t, owner.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}), r.State)
	})
}

func TestFlowCannotFloodAMailbox(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		(&browser{h: h}).signUp("ada@example.com")
		for range 20 {
			b := &browser{h: h}
			b.begin(h.request())
			b.submit(authflow.GoTo{Place: authflow.Forgot})
			b.submit(authflow.ForgotPassword{Email: "ada@example.com"})
		}
		synctest.Wait()
		if l, _ := h.outbox.List(t.Context(), "ada@example.com"); len(l) > 9 {
			t.Errorf("%d mails", len(l))
		}
	})
}

// failing is a mailbox that fails a few times.
type failing struct {
	mu   sync.Mutex
	left int
	mail.Outbox
}

// Send fails while there are failures left.
func (f *failing) Send(ctx context.Context, m mail.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return fmt.Errorf("smtp: 451 try again")
	}
	return f.Outbox.Send(ctx, m)
}

func TestMailIsTriedAgainAndSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := restart(t, persistence.NewMemory(), "0123456789abcdef")
		var log bytes.Buffer
		f := &failing{left: 2}
		h.flow = &authflow.Flow{Identity: h.ids, Mail: f, Hasher: cheap(), Log: slog.New(slog.NewTextHandler(&log, nil))}
		must(t, h.flow.Open(t.Context()))
		var err error
		h.env, err = h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "Test"})
		must(t, err)
		stop := h.run()
		b := &browser{h: h}
		b.begin(h.request())
		b.submit(authflow.GoTo{Place: authflow.SignUp})
		b.submit(authflow.Register{Email: "ada@example.com", Password: goodPassword})
		time.Sleep(10 * time.Second)
		stop()
		l, _ := f.List(t.Context(), "")
		if len(l) != 1 {
			t.Fatalf("%d mails", len(l))
		}
		for _, secret := range []string{l[0].Code, "ada@example.com", goodPassword} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds %q:\n%s", secret, log.String())
			}
		}
		if !strings.Contains(log.String(), "mail not sent yet") {
			t.Errorf("log: %s", log.String())
		}
	})
}

// FuzzStateComesBack says that whatever state an application sends, it receives
// the same bytes.
func FuzzStateComesBack(f *testing.F) {
	f.Add(`{"returnTo":"/a b?c=d&e#f"}`)
	f.Add("Fe26.2*1*abc*def~2+/=%20%")
	f.Add("\xff\xfe\x00\r\nSet-Cookie: x=y")
	f.Add("")
	store := persistence.NewMemory()
	db, err := database.Open(f.Context(), database.Options{Store: store})
	if err != nil {
		f.Fatal(err)
	}
	ids := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef"))}
	flow := &authflow.Flow{Identity: ids, Mail: &mail.Outbox{}}
	if err := ids.Open(f.Context()); err != nil {
		f.Fatal(err)
	}
	if err := flow.Open(f.Context()); err != nil {
		f.Fatal(err)
	}
	env, err := ids.CreateEnvironment(f.Context(), identity.NewEnvironment{Name: "Test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state string) {
		if len(state) > 8<<10 {
			return
		}
		r := authflow.AuthorizeRequest{ClientID: string(env.ClientID), RedirectURI: "http://localhost:5173/cb?keep=1%20", ResponseType: "code", State: state, HasState: true, Prompt: "none"}
		begun, err := flow.Begin(t.Context(), authflow.Visitor{}, r)
		if err != nil {
			t.Fatal(err)
		}
		to := begun.Step.(*authflow.Done).RedirectTo
		if strings.ContainsAny(to, "\r\n\x00 ") || !strings.HasPrefix(to, "http://localhost:5173/cb?keep=1%20&error=") {
			t.Errorf("redirect %q", to)
		}
		u, err := url.Parse(to)
		if err != nil || u.Query().Get("state") != state {
			t.Errorf("state %q came back as %q (%v)", state, u.Query().Get("state"), err)
		}
		// The same through a stored attempt.
		r.Prompt = ""
		begun, err = flow.Begin(t.Context(), authflow.Visitor{}, r)
		if err != nil || begun.Attempt == "" {
			t.Fatal(err)
		}
		must(t, ids.View(t.Context(), func(tx *identity.Tx) error {
			row, err := tx.First("sign_in_attempts", "on_id", string(begun.Attempt))
			if err == nil && string(row.Bytes("state")) != state {
				t.Errorf("stored %q", row.Bytes("state"))
			}
			return err
		}))
	})
}
