package passkey_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/passkey/passkeytest"
)

func TestRPIsTheHostWhereBrowsersKnowPasskeys(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://auth.example.com": "auth.example.com", "https://AUTH.example.com:8443": "auth.example.com", "http://localhost:4100": "localhost", "http://soup.localhost": "soup.localhost",
		"http://auth.example.com": "", "http://127.0.0.1:4100": "", "https://192.0.2.1": "", "https://[::1]:4100": "", "": "", "ftp://localhost": "", "https://": "",
	} {
		if got := passkey.RP(origin); got != want {
			t.Errorf("RP(%q) = %q, want %q", origin, got, want)
		}
	}
}

// ceremony is one with a fixed challenge.
var ceremony = passkey.Ceremony{Origin: "https://auth.example.com", Challenge: []byte("a challenge of thirty-two bytes!")}

// creation are the options that it makes, as far as an authenticator reads them.
const creation = `{"challenge":"YSBjaGFsbGVuZ2Ugb2YgdGhpcnR5LXR3byBieXRlcyE","rp":{"id":"auth.example.com"},"user":{"id":"AAAA"}}`

func TestMakeReadsWhatTheAuthenticatorSays(t *testing.T) {
	t.Parallel()
	a := passkeytest.New(ceremony.Origin)
	m, err := ceremony.Make(a.Create(creation))
	if err != nil {
		t.Fatal(err)
	}
	if m.RP != "auth.example.com" || string(m.Credential) != string(a.ID) || len(m.PublicKey) == 0 || strings.Join(m.Transports, " ") != "internal hybrid" {
		t.Errorf("%+v", m)
	}
	if _, err := (passkey.Ceremony{Origin: ceremony.Origin}).Make(a.Create(creation)); !errors.Is(err, passkey.ErrRefused) {
		t.Error("a ceremony without a challenge:", err)
	}
}

// FuzzMake feeds whatever a browser might post: it never panics, and what it takes is
// of this ceremony.
func FuzzMake(f *testing.F) {
	f.Add(passkeytest.New(ceremony.Origin).Create(creation))
	f.Add("{}")
	f.Fuzz(func(t *testing.T, response string) {
		m, err := ceremony.Make(response)
		if err != nil && !errors.Is(err, passkey.ErrRefused) {
			t.Error(err)
		}
		if err == nil && (m.RP != "auth.example.com" || len(m.Credential) == 0 || len(m.PublicKey) == 0) {
			t.Errorf("%+v", m)
		}
	})
}
