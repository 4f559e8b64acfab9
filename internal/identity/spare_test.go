package identity

import (
	"crypto/rsa"
	"testing"

	"github.com/lentil-dev/lentil/internal/token"
)

func TestSparesFirst(t *testing.T) {
	t.Parallel()
	early, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var p spares
	p.open()
	asked := 0
	first := func() (*rsa.PrivateKey, error) { asked++; return early, nil }
	if k, err := p.take(first); err != nil || k != early {
		t.Errorf("the first is %p (%v), want the early key", k, err)
	}
	// A house that has just begun has better things to do than to make spare keys.
	if len(p.taken) != 0 {
		t.Error("spare keys are made though only the first was taken")
	}
	if k, err := p.take(first); err != nil || k == early || asked != 1 {
		t.Errorf("the second is the early key again (%v)", err)
	}
	if len(p.taken) != 1 {
		t.Error("no spare keys are made though a second was taken")
	}
}
