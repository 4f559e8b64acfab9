package identity

import (
	"context"
	"crypto/rsa"

	"github.com/lentil-dev/lentil/internal/token"
)

// maxSpares is how many signing keys lie ready. Making one takes a tenth of a
// second; tests that make environments by the dozen should not wait for each.
const maxSpares = 4

// spares are signing keys made before they are needed, once somebody has needed one.
type spares struct {
	keys  chan *rsa.PrivateKey
	taken chan struct{} // one was taken: make more
}

// open readies the channels.
func (p *spares) open() {
	p.keys, p.taken = make(chan *rsa.PrivateKey, maxSpares), make(chan struct{}, 1)
}

// take gives a key that lies ready, or makes one.
func (p *spares) take() (*rsa.PrivateKey, error) {
	select {
	case p.taken <- struct{}{}:
	default:
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
