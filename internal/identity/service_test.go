package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// house is an identity service on the in-memory store with one environment.
func house(t *testing.T, set identity.Settings) (*identity.Service, *identity.Environment) {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "test", Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

// user makes a verified user.
func user(t *testing.T, s *identity.Service, e *identity.Environment, email string) *identity.User {
	t.Helper()
	u, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: email, EmailVerified: true})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// code is the code of a refusal.
func code(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestServiceEnvironment(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	if !identity.ValidID("environment_", string(e.ID)) || !identity.ValidID("client_", string(e.ClientID)) {
		t.Errorf("ids %s %s", e.ID, e.ClientID)
	}
	got, err := s.EnvironmentByClient(t.Context(), e.ClientID)
	if err != nil || got.ID != e.ID || got.Issuer() != "https://api.workos.com/user_management/"+string(e.ClientID) || got.TokenAudience() != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = s.ChangeSettings(t.Context(), e.ID, func(set *identity.Settings) {
		set.IssuerTemplate, set.AccessTokenLifetime = "https://api.workos.com/", 15*time.Second
	})
	if err != nil || got.TokenAudience() != string(e.ClientID) {
		t.Errorf("short issuer: aud %q, %v", got.TokenAudience(), err)
	}
	again, err := s.Environment(t.Context(), e.ID)
	if err != nil || again.Settings.AccessTokenLifetime != 15*time.Second {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "x", ClientID: e.ClientID}); code(err) != "environment_exists" {
		t.Errorf("second of the same client id: %v", err)
	}
	if _, err := s.ChangeSettings(t.Context(), e.ID, func(set *identity.Settings) { set.AccessTokenLifetime = -1 }); code(err) != "invalid_settings" {
		t.Errorf("negative lifetime: %v", err)
	}
	if _, err := s.EnvironmentByClient(t.Context(), "client_x"); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("unknown client: %v", err)
	}
}

func TestServiceAPIKey(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	k, text, err := s.CreateAPIKey(t.Context(), e.ID, "dev", "")
	if err != nil || !strings.HasPrefix(text, "sk_test_") || k.Obfuscated != "sk_..."+text[len(text)-4:] {
		t.Fatalf("%+v %q %v", k, text, err)
	}
	if got, _, err := s.AuthenticateKey(t.Context(), text); err != nil || got.ID != e.ID {
		t.Errorf("authenticate: %v", err)
	}
	for _, bad := range []string{"", "sk_test_", text + "x", text[:len(text)-1], strings.ToLower(text)} {
		if _, _, err := s.AuthenticateKey(t.Context(), bad); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, kept, err := s.CreateAPIKey(t.Context(), e.ID, "kept", "sk_test_default"); err != nil || kept != "sk_test_default" {
		t.Errorf("given key: %q %v", kept, err)
	}
	if _, _, err := s.CreateAPIKey(t.Context(), e.ID, "twice", "sk_test_default"); code(err) != "duplicate_api_key" {
		t.Errorf("twice: %v", err)
	}
	if err := s.DeleteAPIKey(t.Context(), e.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AuthenticateKey(t.Context(), text); apierr.KindOf(err) != apierr.Unauthenticated {
		t.Errorf("deleted key: %v", err)
	}
}

func TestServiceRedirectsAndOrigins(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	r, err := s.AddRedirectURI(t.Context(), e.ID, "https://app.example.com/callback")
	if err != nil || !r.Default || !identity.ValidID("redir_", string(r.ID)) {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := s.AddRedirectURI(t.Context(), e.ID, "https://app.example.com/callback"); code(err) != "duplicate_redirect_uri" || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("twice: %v", err)
	}
	if err := s.DeleteRedirectURI(t.Context(), e.ID, r.ID); code(err) != "default_redirect_uri" {
		t.Errorf("delete default: %v", err)
	}
	if _, err := s.AddRedirectURI(t.Context(), e.ID, "https://*.preview.example.com/cb"); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]bool{
		"https://app.example.com/callback":   true,
		"https://x1.preview.example.com/cb":  true,
		"https://*.preview.example.com/cb":   false,
		"http://localhost:5173/callback":     true,
		"https://evil.example/callback":      false,
		"http://localhost:5173@evil.example": false,
		"":                                   false,
	} {
		if ok, err := s.RedirectAllowed(t.Context(), e, uri); ok != want || err != nil {
			t.Errorf("%q: %v %v", uri, ok, err)
		}
	}
	o, err := s.AddCORSOrigin(t.Context(), e.ID, "http://localhost:5173/")
	if err != nil || o.Origin != "http://localhost:5173" || !identity.ValidID("cors_origin_", string(o.ID)) {
		t.Fatalf("%+v %v", o, err)
	}
	if _, err := s.AddCORSOrigin(t.Context(), e.ID, "http://localhost:5173"); code(err) != "duplicate_cors_origin" {
		t.Errorf("twice: %v", err)
	}
	for origin, want := range map[string]bool{"http://localhost:5173": true, "http://localhost:5174": false, "null": false, "": false} {
		if ok, _ := s.OriginAllowed(t.Context(), e.ID, origin); ok != want {
			t.Errorf("allowed %q: %v", origin, ok)
		}
		if ok, _ := s.OriginKnown(t.Context(), origin); ok != want {
			t.Errorf("known %q: %v", origin, ok)
		}
	}
}

func TestServiceUsersAreUniqueByAddressWhateverItsCase(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	var wg sync.WaitGroup
	made := make(chan error, 20)
	for i := range 20 {
		wg.Go(func() {
			email := "ada@example.com"
			if i%2 == 1 {
				email = "Ada@Example.COM"
			}
			_, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: email})
			made <- err
		})
	}
	wg.Wait()
	close(made)
	n := 0
	for err := range made {
		if err == nil {
			n++
		} else if code(err) != "user_creation_error" {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d users made", n)
	}
	if u, err := s.UserByEmail(t.Context(), e.ID, " ADA@example.com "); err != nil || !identity.ValidID("user_", string(u.ID)) {
		t.Errorf("find: %v", err)
	}
}

func TestServiceUserLifecycleWritesEvents(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	u := user(t, s, e, "ada@example.com")
	first := "Ada"
	changed, err := s.UpdateUser(t.Context(), e.ID, u.ID, identity.UserChange{FirstName: &first, Metadata: map[string]string{"$weird key": "v"}})
	if err != nil || changed.FirstName != "Ada" || !changed.Updated.After(u.Updated) || changed.Metadata["$weird key"] != "v" {
		t.Fatalf("%+v %v", changed, err)
	}
	got, err := s.User(t.Context(), e.ID, u.ID)
	if err != nil || cmp.Diff(changed, got) != "" {
		t.Error(cmp.Diff(changed, got), err)
	}
	if err := s.DeleteUser(t.Context(), e.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.User(t.Context(), e.ID, u.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("deleted user: %v", err)
	}
	l, err := s.Events(t.Context(), e.ID, []string{"user.created", "user.updated", "user.deleted"}, identity.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ev := range l.Data {
		names = append(names, ev.Name)
		if !json.Valid(ev.Data) {
			t.Errorf("data of %s: %s", ev.Name, ev.Data)
		}
	}
	if want := []string{"user.created", "user.updated", "user.deleted"}; !cmp.Equal(names, want) {
		t.Errorf("events %v", names)
	}
}

func TestServiceListsByCursor(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	var ids []string
	for i := range 25 {
		ids = append(ids, string(user(t, s, e, fmt.Sprintf("u%02d@example.com", i)).ID))
		time.Sleep(time.Millisecond) // ids order by milliseconds of the real clock
	}
	read := func(p identity.Page) *identity.List[identity.User] {
		l, err := s.Users(t.Context(), e.ID, identity.UserQuery{Page: p})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var seen []string
	p := identity.Page{Order: identity.OldestFirst}
	for {
		l := read(p)
		for _, u := range l.Data {
			seen = append(seen, string(u.ID))
		}
		if l.After == "" {
			break
		}
		p.After = l.After
	}
	if !cmp.Equal(seen, ids) {
		t.Errorf("ascending: %s", cmp.Diff(ids, seen))
	}
	newest := read(identity.Page{Limit: 3})
	if string(newest.Data[0].ID) != ids[24] || newest.After != ids[22] || newest.Before != "" {
		t.Errorf("newest: %+v", newest)
	}
	next := read(identity.Page{Limit: 3, After: newest.After})
	if string(next.Data[0].ID) != ids[21] || next.Before != ids[21] || next.After != ids[19] {
		t.Errorf("next: %+v", next)
	}
	back := read(identity.Page{Limit: 3, Before: next.Before})
	if string(back.Data[0].ID) != ids[24] || string(back.Data[2].ID) != ids[22] || back.Before != "" {
		t.Errorf("back: %+v", back)
	}
	if l, _ := s.Users(t.Context(), e.ID, identity.UserQuery{Email: "U07@example.com"}); len(l.Data) != 1 || string(l.Data[0].ID) != ids[7] {
		t.Errorf("by e-mail: %+v", l)
	}
	if _, err := s.Users(t.Context(), e.ID, identity.UserQuery{Page: identity.Page{Limit: 101}}); code(err) != "invalid_request_parameters" {
		t.Errorf("limit: %v", err)
	}
}

// start begins a session of a fresh user.
func start(t *testing.T, s *identity.Service, e *identity.Environment) (*identity.Session, string) {
	t.Helper()
	u := user(t, s, e, strings.ToLower(identity.NewULID())+"@example.com")
	var sess *identity.Session
	var text string
	err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		sess, text, err = tx.StartSession(e, identity.NewSession{User: u.ID, Method: identity.MethodPassword, Authenticated: tx.Now()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sess, text
}

// refresh presents a refresh token.
func refresh(ctx context.Context, s *identity.Service, e *identity.Environment, text string) (next string, err error) {
	var refusal *apierr.Error
	err = s.Update(ctx, func(tx *identity.Tx) (err error) {
		_, next, refusal, err = tx.Refresh(e, text)
		return err
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	return next, err
}

func TestRefreshManyAtOnceHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	sess, text := start(t, s, e)
	for round := range 5 {
		var wg sync.WaitGroup
		got := make([]string, 50)
		for i := range got {
			wg.Go(func() {
				next, err := refresh(t.Context(), s, e, text)
				if err != nil {
					t.Error(err)
				}
				got[i] = next
			})
		}
		wg.Wait()
		for _, g := range got {
			if g != got[0] || g == text {
				t.Fatalf("round %d: successors differ: %q", round, got)
			}
		}
		text = got[0]
	}
	if now, err := s.Session(t.Context(), e.ID, sess.ID); err != nil || now.Status(time.Now()) != identity.SessionActive {
		t.Errorf("session %+v, %v", now, err)
	}
}

func TestRefreshOfAStolenTokenEndsTheFamily(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{RefreshReuseWindow: time.Second})
	sess, old := start(t, s, e)
	next, err := refresh(t.Context(), s, e, old)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the window is real time here; lineages are tested without
	_, err = refresh(t.Context(), s, e, old)
	if a, _ := apierr.As(err); a == nil || a.Code != "invalid_grant" || a.Message != "Refresh token already exchanged." {
		t.Fatalf("reuse: %v", err)
	}
	if _, err := refresh(t.Context(), s, e, next); code(err) != "invalid_grant" {
		t.Errorf("the rightful one after reuse: %v", err)
	}
	if now, _ := s.Session(t.Context(), e.ID, sess.ID); now.Status(time.Now()) != identity.SessionRevoked {
		t.Errorf("session is %s", now.Status(time.Now()))
	}
}

func TestRefreshRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	other, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	sess, text := start(t, s, e)
	flipped := []byte(text)
	flipped[len(flipped)-1] ^= 1
	for _, bad := range []string{"", "x", text + "A", string(flipped), strings.Repeat("A", 55)} {
		if _, err := refresh(t.Context(), s, e, bad); code(err) != "invalid_grant" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := refresh(t.Context(), s, other, text); code(err) != "invalid_grant" {
		t.Errorf("other environment: %v", err)
	}
	if err := s.RevokeSession(t.Context(), e.ID, sess.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeSession(t.Context(), e.ID, sess.ID); err != nil {
		t.Errorf("revoked twice: %v", err)
	}
	if err := s.RevokeSession(t.Context(), other.ID, sess.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("revoked from elsewhere: %v", err)
	}
	if _, err := refresh(t.Context(), s, e, text); code(err) != "invalid_grant" {
		t.Errorf("revoked: %v", err)
	}
}

func TestSigningKeysOverlapWhenRotated(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	kid := func() (kid string) {
		err := s.View(t.Context(), func(tx *identity.Tx) error {
			sg, err := tx.Signer(e.ID)
			if err == nil {
				kid = sg.KeyID()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return kid
	}
	before := kid()
	doc, tag, err := s.JWKS(t.Context(), e.ClientID)
	if err != nil || !strings.Contains(string(doc), before) {
		t.Fatalf("%s %v", doc, err)
	}
	next, err := s.RotateSigningKey(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if kid() != before {
		t.Error("the new key signs before anyone can have seen it")
	}
	doc2, tag2, _ := s.JWKS(t.Context(), e.ClientID)
	if !strings.Contains(string(doc2), before) || !strings.Contains(string(doc2), string(next)) || tag == tag2 {
		t.Errorf("after rotation: %s", doc2)
	}
	ks, err := s.KeySet(t.Context(), e.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{before, string(next)} {
		if _, err := ks.Key(t.Context(), k); err != nil {
			t.Errorf("key %s: %v", k, err)
		}
	}
	if _, err := s.RotateSigningKey(t.Context(), e.ID); err == nil {
		t.Error("rotated twice at once")
	}
}

func TestParseEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada@Example.com": "ada@example.com", " a@b.c ": "a@b.c", "a+b@c.de": "a+b@c.de", "dev@localhost": "dev@localhost", "o'hara@x.ie": "o'hara@x.ie",
		"": "", "a": "", "@b.c": "", "a@": "", "a@b@c.d": "", "a b@c.d": "", "a@b..c": "", "a@-b.c": "", "\u212aa@b.c": "", "a@b.c\nBcc: x@y.z": "",
		"<a@b.c>": "", "a@[127.0.0.1]": "", ".a@b.c": "", strings.Repeat("a", 65) + "@b.c": "",
	} {
		if _, k, ok := identity.ParseEmail(in); k != want || ok != (want != "") {
			t.Errorf("%q: %q %v", in, k, ok)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	f.Add("Ada@Example.com")
	f.Add("a@b.c\r\nBcc: d@e.f")
	f.Fuzz(func(t *testing.T, s string) {
		email, key, ok := identity.ParseEmail(s)
		if !ok {
			return
		}
		if strings.ContainsAny(email, "\r\n <>\",") || strings.Count(email, "@") != 1 {
			t.Errorf("%q passes as %q", s, email)
		}
		if _, again, ok := identity.ParseEmail(key); !ok || again != key {
			t.Errorf("key %q of %q is not its own key", key, s)
		}
	})
}

func TestRunWritesDownWhenKeysWereUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		_, text, err := s.CreateAPIKey(t.Context(), e.ID, "dev", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		begun := time.Now()
		if _, _, err := s.AuthenticateKey(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		keys, err := s.APIKeys(t.Context(), e.ID)
		if err != nil || len(keys) != 1 || !keys[0].LastUsed.Equal(begun) {
			t.Errorf("%+v %v", keys, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsSweptByAClockThatMayBeWrong: it stays deleted when the clock is right again.
func TestNothingIsSweptByAClockThatMayBeWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		var unsure atomic.Bool
		unsure.Store(true)
		s.Doubt = unsure.Load
		if _, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: "ada@example.com"}); err != nil {
			t.Fatal(err)
		}
		events := func() int {
			list, err := s.Events(t.Context(), e.ID, []string{"user.created"}, identity.Page{})
			if err != nil {
				t.Fatal(err)
			}
			return len(list.Data)
		}
		time.Sleep(100 * 24 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if n := events(); n != 1 {
			t.Errorf("%d events are left by a clock that may be wrong", n)
		}
		unsure.Store(false)
		time.Sleep(2 * time.Minute)
		if n := events(); n != 0 {
			t.Errorf("%d events are left after a hundred days", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
