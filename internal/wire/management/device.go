package management

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// How long a login may take, and how often a client may ask (RFC 8628 §3.2, §3.5).
// The interval is short because a house is near: people press one button.
const (
	deviceLife     = 10 * time.Minute
	deviceInterval = time.Second
	// maxDevices bounds the logins that are waiting at once, maxDevicesOf those that one
	// address began, so that one stranger does not keep others from logging in.
	maxDevices   = 1000
	maxDevicesOf = 50
)

// device is a login on its way: begun by a program, to be confirmed by a person.
type device struct {
	client   string
	address  string // where it began
	userCode string
	expires  time.Time
	polled   time.Time
	// What the person said.
	denied   bool
	operator *platform.Operator
}

// devices are the logins on their way, by device code. The zero value is ready once
// now is set.
type devices struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]*device
}

// userCodeLetters are easy to read aloud and make no words (RFC 8628 §6.1).
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

// newUserCode makes a code for people: 34 bits, enough for the minutes it lives.
func newUserCode() string {
	// Bytes from 240 on are thrown away: 256 is no multiple of 20.
	var b strings.Builder
	for buf := make([]byte, 1); b.Len() < 9; {
		rand.Read(buf)
		if buf[0] >= 240 {
			continue
		}
		if b.Len() == 4 {
			b.WriteByte('-')
		}
		b.WriteByte(userCodeLetters[int(buf[0])%len(userCodeLetters)])
	}
	return b.String()
}

// plainCode is a user code as people may write it.
func plainCode(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userCodeLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}

// errManyDevices refuses one login too many. Its code is the one that clients of the
// device flow know for "later".
var errManyDevices = apierr.New(apierr.Overloaded, "temporarily_unavailable", "Too many logins are waiting to be confirmed. Try again in a few minutes.")

// begin starts a login.
func (d *devices) begin(client, address string) (code string, v device, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, same := d.now(), 0
	for id, old := range d.byID {
		// One that is over is remembered as long again, so that its client hears why.
		if now.After(old.expires.Add(deviceLife)) {
			delete(d.byID, id)
		} else if old.address == address {
			same++
		}
	}
	if len(d.byID) >= maxDevices || same >= maxDevicesOf {
		return "", v, errManyDevices
	}
	if d.byID == nil {
		d.byID = map[string]*device{}
	}
	v = device{client: client, address: address, userCode: newUserCode(), expires: now.Add(deviceLife)}
	code = strings.ToLower(rand.Text() + rand.Text())
	d.byID[code] = &v
	return code, v, nil
}

// Errors of polling (RFC 8628 §3.5).
var (
	errPending  = apierr.New(apierr.BadRequest, "authorization_pending", "The login has not been confirmed yet.")
	errSlowDown = apierr.New(apierr.BadRequest, "slow_down", "You ask too often.")
	errExpired  = apierr.New(apierr.BadRequest, "expired_token", "The login was not confirmed in time. Start again with: npx convex login")
	errDenied   = apierr.New(apierr.BadRequest, "access_denied", "The login was refused.")
	errNoDevice = apierr.New(apierr.BadRequest, "invalid_grant", "The device code is not known, or was used.")
)

// poll asks what became of a login; it gives who confirmed it, once.
func (d *devices) poll(code, client string) (*platform.Operator, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.byID[code] // 260 random bits: finding them by the clock is not feasible
	if v == nil || subtle.ConstantTimeCompare([]byte(v.client), []byte(client)) != 1 {
		return nil, errNoDevice
	}
	now := d.now()
	early := now.Sub(v.polled) < deviceInterval/2 // clocks and networks are not exact
	v.polled = now
	switch {
	case v.denied:
		delete(d.byID, code)
		return nil, errDenied
	case v.operator != nil:
		delete(d.byID, code)
		return v.operator, nil
	case now.After(v.expires):
		delete(d.byID, code)
		return nil, errExpired
	case early:
		return nil, errSlowDown
	}
	return nil, errPending
}

// waiting finds a login that waits for a person, by the code that they read.
func (d *devices) waiting(userCode string) (client string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.find(userCode)
	if v == nil {
		return "", false
	}
	return v.client, true
}

// answer notes what a person said to a login; false if it waits no more. A nil
// operator refuses it.
func (d *devices) answer(userCode string, o *platform.Operator) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.find(userCode)
	if v == nil {
		return false
	}
	v.operator, v.denied = o, o == nil
	return true
}

// find looks a waiting login up; the lock is held.
func (d *devices) find(userCode string) *device {
	plain, now := plainCode(userCode), d.now()
	for _, v := range d.byID {
		if plainCode(v.userCode) == plain && !v.denied && v.operator == nil && now.Before(v.expires) {
			return v
		}
	}
	return nil
}
