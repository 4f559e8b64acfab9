package identity

import (
	"context"
	"crypto/rsa"
	"sync"

	"github.com/lentil-dev/lentil/internal/token"
)

// maxSpares is how many signing keys lie ready. Making one takes a tenth of a
// second; tests that make environments by the dozen should not wait for each.
const maxSpares = 4

// spares are signing keys made before they are needed, once somebody has needed a
// second one: most houses have one environment for long.
type spares struct {
	keys  chan *rsa.PrivateKey
	taken chan struct{} // one was taken: make more
	first sync.Once     // the first of this house's life was taken
}

// open readies the channels.
func (p *spares) open() {
	p.keys, p.taken = make(chan *rsa.PrivateKey, maxSpares), make(chan struct{}, 1)
}

// take gives a key that lies ready, or makes one. The first is the early one, if there
// is one.
func (p *spares) take(early func() (*rsa.PrivateKey, error)) (*rsa.PrivateKey, error) {
	first := false
	p.first.Do(func() { first = true })
	if first && early != nil {
		return early()
	}
	if !first {
		select {
		case p.taken <- struct{}{}:
		default:
		}
	}
	select {
	case k := <-p.keys:
		return k, nil
	default:
		return token.GenerateKey()
	}
}

// fill makes keys whenever some were taken, until ctx ends.
func (p *spares) fill(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.taken:
		}
		for len(p.keys) < maxSpares && ctx.Err() == nil {
			k, err := token.GenerateKey()
			if err != nil {
				return err
			}
			select {
			case p.keys <- k:
			default: // somebody else's were quicker
			}
		}
	}
}
