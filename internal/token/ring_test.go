package token_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

func TestRingRenewsItsKeys(t *testing.T) {
	t.Parallel()
	ring := &token.Ring{Root: bytes.Repeat([]byte{7}, 32)}
	first := ring.Sealer()
	old := first.Seal("cookie", []byte("hello"))
	if err := ring.Renew(time.Now()); err != nil {
		t.Fatal(err)
	}
	second := ring.Sealer()
	if b, err := second.Open("cookie", old); err != nil || string(b) != "hello" {
		t.Errorf("what the root sealed: %q, %v", b, err)
	}
	between := second.Seal("cookie", []byte("hello"))
	if between == old || between != second.Seal("cookie", []byte("hello")) {
		t.Error("sealing is not of the newest key, or not deterministic")
	}
	if _, err := second.Open("other", between); !errors.Is(err, token.ErrSealed) {
		t.Errorf("opened for another purpose: %v", err)
	}
	if _, err := first.Open("cookie", between); !errors.Is(err, token.ErrSealed) {
		t.Errorf("opened without the key: %v", err)
	}
	if err := ring.Renew(time.Now()); err != nil {
		t.Fatal(err)
	}
	third := ring.Sealer()
	for _, sealed := range []string{old, between} {
		fresh, ok := third.Reseal(sealed, []string{"letter", "cookie"})
		if !ok {
			t.Fatalf("%q is not sealed anew", sealed)
		}
		if b, err := third.Open("cookie", fresh); err != nil || string(b) != "hello" {
			t.Errorf("sealed anew: %q, %v", b, err)
		}
		if _, ok := third.Reseal(fresh, nil); ok {
			t.Error("what is sealed by the newest key is sealed anew")
		}
		ring.Keys = ring.Keys[:1]
		if _, err := ring.Sealer().Open("cookie", fresh); err != nil {
			t.Errorf("with the newest key alone: %v", err)
		}
	}
	if _, err := ring.Sealer().Open("cookie", between); !errors.Is(err, token.ErrSealed) {
		t.Errorf("a key that is gone opens: %v", err)
	}
	for _, s := range []string{"", "AQ", "Ag", "hello", between[:len(between)-2]} {
		if _, ok := third.Reseal(s, []string{"cookie"}); ok {
			t.Errorf("%q is sealed anew", s)
		}
	}
}

func TestRingIsWrappedUnderTheMasterKey(t *testing.T) {
	t.Parallel()
	ring := &token.Ring{Root: bytes.Repeat([]byte{7}, 32)}
	if err := ring.Renew(time.Now()); err != nil {
		t.Fatal(err)
	}
	master := bytes.Repeat([]byte{1}, 32)
	b, err := ring.Wrap(master)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, ring.Root) || bytes.Contains(b, ring.Keys[0].Secret) {
		t.Error("a secret can be read in the wrapped ring")
	}
	back, err := token.UnwrapRing(master, b)
	if err != nil || !bytes.Equal(back.Root, ring.Root) || len(back.Keys) != 1 || !bytes.Equal(back.Keys[0].Secret, ring.Keys[0].Secret) {
		t.Errorf("unwrapped %+v, %v", back, err)
	}
	if _, err := token.UnwrapRing(bytes.Repeat([]byte{2}, 32), b); !errors.Is(err, token.ErrMaster) {
		t.Errorf("another master: %v", err)
	}
	b[len(b)/2] ^= 1
	if _, err := token.UnwrapRing(master, b); !errors.Is(err, token.ErrMaster) {
		t.Errorf("a changed ring: %v", err)
	}
	if _, err := ring.Wrap([]byte("short")); err == nil {
		t.Error("a short master key is taken")
	}
	for range 15 {
		if err := ring.Renew(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := ring.Renew(time.Now()); err == nil {
		t.Error("a ring grows without bound")
	}
}
