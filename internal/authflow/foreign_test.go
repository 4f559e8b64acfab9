package authflow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// foreignHashes are hashes that others made: the reference implementations' own
// vectors, and OpenSSL's (through Python's hashlib) of "correct horse battery" and
// the salt "0123456789abcdef".
var foreignHashes = []struct{ name, kind, position, password, hash string }{
	{"bcrypt 2a", "bcrypt", "", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	{"argon2i", "argon2", "", "password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"},
	{"argon2id", "argon2", "", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
	{"argon2id in another order", "argon2", "", "password", "$argon2id$v=19$t=2,m=65536,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
	{"scrypt", "scrypt", "", "correct horse battery", "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xXt6EAFzAOlee5Hgl8R5+kLA6sDARjRcMGtm6fZJsa8"},
	{"scrypt by N", "scrypt", "", "correct horse battery", "$scrypt$v=1$n=1024,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$faCG2Y2MU7gpu0yKEJONexUzhBri6oOSfKdyxUHubQ2o7csLMBVm5HsRgd1hsTdLpm63xDT9wkWRm5SX+7o7HQ"},
	{"firebase", "firebase-scrypt", "", "user1password", "$firebase-scrypt$hash=lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$salt=42xEC+ixf3L2lw==$sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$ss=Bw==$r=8$m=14"},
	{"pbkdf2 sha1", "pbkdf2", "", "correct horse battery", "$pbkdf2-sha1$i=1000,l=20$MDEyMzQ1Njc4OWFiY2RlZg$rDjxw4qmzpl4HTyqLNYNsdE5Zi4"},
	{"pbkdf2 sha256", "pbkdf2", "", "correct horse battery", "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4"},
	{"pbkdf2 sha512", "pbkdf2", "", "correct horse battery", "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$7F/Y1rnWXXurLCfFvAmyjyXtbABhgzBTBNcm//wlnvGBOz7OExlgRFs5qwaY5PzB3/WjR7P4yv/ACDQZpDXIfQ"},
	{"pbkdf2 with its digest among the costs", "pbkdf2", "", "correct horse battery", "$pbkdf2$d=sha256,i=1000$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4"},
	{"pbkdf2 of passlib", "pbkdf2", "", "correct horse battery", "$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4"},
	{"ssha", "ssha", "suffix", "correct horse battery", "{SSHA}nUZl4BaMVZn4hrSAm5dyop5Z8AkwMTIzNDU2Nzg5YWJjZGVm"},
	{"ssha, salt first, bare", "ssha", "prefix", "correct horse battery", "k08SsdBSPFY0zlKMif1g3ZPDCeIwMTIzNDU2Nzg5YWJjZGVm"},
	{"ssha256", "ssha256", "", "correct horse battery", "{SSHA256}NMRnJ5eIOCNZg7hoADpNd33UbTrjRoVfYO2S0QAVOCswMTIzNDU2Nzg5YWJjZGVm"},
}

func TestForeignHashVerifies(t *testing.T) {
	t.Parallel()
	for _, c := range foreignHashes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stored, err := authflow.ForeignHash(c.kind, c.hash, c.position)
			if err != nil {
				t.Fatal(err)
			}
			h := cheap()
			if ok, stale, err := h.Verify(t.Context(), stored, c.password); err != nil || !ok || !stale {
				t.Errorf("right password: %v stale %v %v", ok, stale, err)
			}
			for _, wrong := range []string{"", c.password + "x", strings.ToUpper(c.password) + "!"} {
				if ok, _, err := h.Verify(t.Context(), stored, wrong); err != nil || ok {
					t.Errorf("%q: %v %v", wrong, ok, err)
				}
			}
		})
	}
}

func TestForeignHashRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][3]string{
		"unknown type":             {"md5", "d41d8cd98f00b204e9800998ecf8427e", ""},
		"another type's":           {"bcrypt", foreignHashes[4].hash, ""},
		"bcrypt too costly":        {"bcrypt", "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", ""},
		"scrypt too large":         {"scrypt", "$scrypt$ln=22,r=64,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xXt6EAFzAOlee5Hgl8R5+kLA6sDARjRcMGtm6fZJsa8", ""},
		"scrypt of no power":       {"scrypt", "$scrypt$n=1000,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xXt6EAFzAOlee5Hgl8R5+kLA6sDARjRcMGtm6fZJsa8", ""},
		"pbkdf2 too long":          {"pbkdf2", "$pbkdf2-sha1$i=99999999,l=20$MDEyMzQ1Njc4OWFiY2RlZg$rDjxw4qmzpl4HTyqLNYNsdE5Zi4", ""},
		"pbkdf2 of md5":            {"pbkdf2", "$pbkdf2-md5$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$rDjxw4qmzpl4HTyqLNYNsdE5Zi4", ""},
		"pbkdf2 of another length": {"pbkdf2", "$pbkdf2-sha1$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$rDjxw4qmzpl4HTyqLNYNsdE5Zi4", ""},
		"argon2d":                  {"argon2", "$argon2d$v=19$m=12,t=3,p=1$NWd0eGp4ZW91b3IwMDAwMA$57jcfXF19MyiUXSjkVBpEQ", ""},
		"argon2 too large":         {"argon2", "$argon2i$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", ""},
		"firebase without a key":   {"firebase-scrypt", "$firebase-scrypt$hash=aGFzaA==$salt=c2FsdA==$ss=Bw==$r=8$m=14", ""},
		"ssha too short":           {"ssha", "{SSHA}c2hvcnQ=", ""},
		"position of scrypt":       {"scrypt", foreignHashes[4].hash, "prefix"},
		"unknown position":         {"ssha", foreignHashes[12].hash, "middle"},
		"endless":                  {"ssha", "{SSHA}" + strings.Repeat("A", 4096), ""},
		"empty":                    {"bcrypt", "", ""},
	} {
		if stored, err := authflow.ForeignHash(c[0], c[1], c[2]); err == nil {
			t.Errorf("%s: taken as %q", name, stored)
		}
	}
}

// TestForeignHashMakesWayForOurOwn signs in with a hash from elsewhere, after which
// it is gone.
func TestForeignHashMakesWayForOurOwn(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		stored, err := authflow.ForeignHash("ssha", foreignHashes[12].hash, "")
		must(t, err)
		u, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true, PasswordHash: stored})
		must(t, err)
		grant := func(password string) error {
			_, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantPassword, ClientID: string(h.env.ClientID), ClientSecret: h.secret, Email: u.Email, Password: password})
			return err
		}
		hash := func() (text string) {
			must(t, h.ids.View(t.Context(), func(tx *identity.Tx) (err error) {
				text, err = tx.Password(u.ID)
				return err
			}))
			return text
		}
		if err := grant("wrong horse battery"); err == nil || hash() != stored {
			t.Errorf("after a wrong password: %v, %s", err, hash())
		}
		for range 2 {
			must(t, grant("correct horse battery"))
			if !strings.HasPrefix(hash(), "$argon2id$v=19$") {
				t.Errorf("the hash is still %q", hash())
			}
		}
	})
}

// FuzzForeignHash feeds the reader of hashes anything: what it takes must be
// checkable, and the check must come to an end.
func FuzzForeignHash(f *testing.F) {
	for _, c := range foreignHashes {
		f.Add(c.kind, c.hash, c.position)
	}
	f.Add("pbkdf2", "$pbkdf2$$a=b,=c$==", "suffix")
	f.Fuzz(func(t *testing.T, kind, hash, position string) {
		stored, err := authflow.ForeignHash(kind, hash, position)
		if err != nil {
			return
		}
		if ok, _, err := cheap().Verify(context.Background(), stored, "a password that nobody has\x00"); ok || err != nil {
			t.Errorf("%q matches anything: %v", stored, err)
		}
	})
}
