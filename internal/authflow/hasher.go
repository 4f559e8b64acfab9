package authflow

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/sideprocess"
)

// The cost of a hash: OWASP's second choice for argon2id, 19 MiB, two passes, one
// lane (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html).
// docs/decisions/0004-passwords-and-mail.md says why not more.
const (
	argonMemory  = 19 * 1024 // KiB
	argonPasses  = 2
	argonLanes   = 1
	argonSalt    = 16
	argonKey     = 32
	defaultQueue = 64
)

// Bounds of what a stored hash may ask for, so that an imported one cannot be made
// to take the machine.
const (
	maxArgonMemory = 256 * 1024
	maxArgonPasses = 16
	maxArgonLanes  = 16
)

// hashPatience is how long a request waits in the queue; a browser's user has
// given up by then.
const hashPatience = 15 * time.Second

// errBusy is the refusal when too many wait.
var errBusy = apierr.New(apierr.Overloaded, "too_busy", "Too many people are signing in right now. Please try again in a moment.")

// Hasher hashes passwords in a bounded pool: hashing takes all of a processor and
// tens of MiB, and must not starve the rest of the house. The zero value is ready.
type Hasher struct {
	Workers int    // at once; 0 means half the processors
	Queue   int    // waiting; 0 means 64; more are refused as Overloaded
	Memory  uint32 // KiB for each hash; 0 means 19 MiB
	Passes  uint32 // 0 means 2
	// Side computes; nil means this process. A side process calls ServeHashes.
	Side *sideprocess.Pool

	once  sync.Once
	slots chan struct{} // one token per running hash
	queue chan struct{} // one token per request that runs or waits
}

// enter waits for a slot in the pool; leave gives it back.
func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	h.once.Do(func() {
		if h.Workers <= 0 {
			h.Workers = max(1, runtime.GOMAXPROCS(0)/2)
		}
		if h.Queue <= 0 {
			h.Queue = defaultQueue
		}
		if h.Memory == 0 {
			h.Memory = argonMemory
		}
		if h.Passes == 0 {
			h.Passes = argonPasses
		}
		h.slots = make(chan struct{}, h.Workers)
		h.queue = make(chan struct{}, h.Workers+h.Queue)
	})
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; <-h.queue }, nil
	case <-ctx.Done():
		<-h.queue
		return nil, errBusy.Wrap(ctx.Err())
	}
}

// Hash makes the PHC text of a password under a fresh salt.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	a, err := h.do(ctx, hashRequest{Password: password})
	return a.Hash, err
}

// Verify reports whether the password is the one that was hashed. An empty or
// unreadable hash takes as long as any other and never matches, so that the time
// does not tell whether there is an account. stale says that the hash should be
// made anew with the present cost.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	a, err := h.do(ctx, hashRequest{Verify: true, Hash: hash, Password: password})
	return a.OK, a.Stale, err
}

// do waits for its turn and computes, in a side process if there is one.
func (h *Hasher) do(ctx context.Context, q hashRequest) (a hashAnswer, err error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return a, err
	}
	defer leave()
	q.Memory, q.Passes = h.Memory, h.Passes
	if h.Side == nil {
		return q.compute(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	request, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("authflow: hash: %w", err)
	}
	answer, err := h.Side.Call(ctx, request)
	if ctx.Err() != nil {
		return a, errBusy.Wrap(ctx.Err())
	}
	if err == nil {
		err = json.Unmarshal(answer, &a)
	}
	if err != nil {
		return a, fmt.Errorf("authflow: hash: %w", err)
	}
	return a, nil
}

// hashRequest is what is to be computed: a hash, or whether one matches.
type hashRequest struct {
	Verify   bool
	Hash     string
	Password string
	Memory   uint32
	Passes   uint32
}

// hashAnswer is the result of a hashRequest.
type hashAnswer struct {
	Hash      string
	OK, Stale bool
}

// compute does the work; it needs nothing but the request.
func (q hashRequest) compute() hashAnswer {
	if !q.Verify {
		salt := make([]byte, argonSalt)
		rand.Read(salt)
		sum := argon2.IDKey([]byte(q.Password), salt, q.Passes, q.Memory, argonLanes, argonKey)
		enc := base64.RawStdEncoding
		return hashAnswer{Hash: fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, q.Memory, q.Passes, argonLanes, enc.EncodeToString(salt), enc.EncodeToString(sum))}
	}
	p, readable := parsePHC(q.Hash)
	var known foreign
	if !readable {
		known, _ = parseForeign(q.Hash)
		p = phc{memory: q.Memory, passes: q.Passes, lanes: argonLanes, salt: make([]byte, argonSalt), sum: make([]byte, argonKey)}
	}
	sum := argon2.IDKey([]byte(q.Password), p.salt, p.passes, p.memory, p.lanes, uint32(len(p.sum)))
	if known != nil {
		// Our own hash is computed all the same: some of these cost next to nothing,
		// which would tell that there is an account.
		return hashAnswer{OK: known([]byte(q.Password)), Stale: true}
	}
	same := subtle.ConstantTimeCompare(sum, p.sum) == 1
	return hashAnswer{OK: same && readable, Stale: p.memory != q.Memory || p.passes != q.Passes || p.lanes != argonLanes}
}

// ServeHashes is what a side process of a Hasher does.
func ServeHashes() error {
	return sideprocess.Serve(func(request []byte) []byte {
		var q hashRequest
		if err := json.Unmarshal(request, &q); err != nil {
			return nil // the parent will not be able to read this, and says so
		}
		b, err := json.Marshal(q.compute())
		if err != nil {
			return nil
		}
		return b
	})
}

// phc is a parsed hash.
type phc struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// parsePHC reads "$argon2id$v=19$m=…,t=…,p=…$salt$hash".
func parsePHC(s string) (p phc, ok bool) {
	if len(s) > 512 {
		return p, false
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, false
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return p, false
	}
	cost := func(i int, name string, most uint64) uint64 {
		n, err := strconv.ParseUint(strings.TrimPrefix(costs[i], name+"="), 10, 32)
		if err != nil || !strings.HasPrefix(costs[i], name+"=") || n < 1 || n > most {
			return 0
		}
		return n
	}
	p.memory, p.passes, p.lanes = uint32(cost(0, "m", maxArgonMemory)), uint32(cost(1, "t", maxArgonPasses)), uint8(cost(2, "p", maxArgonLanes))
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	p.sum, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	ok = err1 == nil && err2 == nil && p.memory > 0 && p.passes > 0 && p.lanes > 0 && len(p.salt) >= 8 && len(p.sum) >= 16 && len(p.sum) <= 64
	return p, ok
}
