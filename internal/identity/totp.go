package identity

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, the only one all apps know; HMAC-SHA-1 is not affected by collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
)

// The parameters that every authenticator app takes for granted (RFC 6238 §5.2).
const (
	totpPeriod = 30 // seconds
	totpDigits = 6
	totpSecret = 20 // bytes, the length of the hash (RFC 4226 §4 R6)
	totpSkew   = 1  // steps before and after, for clocks that differ
)

// base32Secret is how secrets are written in links and on pages.
var base32Secret = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPSecret makes a random secret in base32.
func NewTOTPSecret() string {
	b := make([]byte, totpSecret)
	rand.Read(b)
	return base32Secret.EncodeToString(b)
}

// TOTPSecretOf makes a secret of bytes that were derived elsewhere.
func TOTPSecretOf(b []byte) string { return base32Secret.EncodeToString(b[:totpSecret]) }

// totpKey reads a secret as people write it: in any case, with spaces or padding.
func totpKey(secret string) ([]byte, bool) {
	s := strings.TrimRight(strings.ToUpper(strings.ReplaceAll(secret, " ", "")), "=")
	b, err := base32Secret.DecodeString(s)
	return b, err == nil && len(b) >= 10 && len(b) <= 64
}

// totpCode is the code of a time step (RFC 4226 §5.3).
func totpCode(key []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	m := hmac.New(sha1.New, key)
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// totpStep finds the time step around now whose code this is. All are compared, so
// that the time says nothing.
func totpStep(key []byte, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / totpPeriod
	for s := at - totpSkew; s <= at+totpSkew; s++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(key, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// TOTPStep finds the time step around now whose code of the secret this is, before
// there is a factor.
func TOTPStep(secret, code string, now time.Time) (step int64, ok bool) {
	key, ok := totpKey(secret)
	if !ok {
		return 0, false
	}
	return totpStep(key, code, now)
}

// TOTPCode is the code that an app shows at a time; it is for tests and tools.
func TOTPCode(secret string, now time.Time) string {
	key, _ := totpKey(secret)
	return totpCode(key, now.Unix()/totpPeriod)
}

// TOTPURI is the link that authenticator apps read from a QR code
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format).
func TOTPURI(issuer, account, secret string) string {
	label := url.PathEscape(account)
	q := "secret=" + secret
	if issuer != "" {
		label = url.PathEscape(issuer) + ":" + label
		q += "&issuer=" + strings.ReplaceAll(url.QueryEscape(issuer), "+", "%20") // apps do not read "+" as a space
	}
	return "otpauth://totp/" + label + "?" + q
}

// QRCode is a square of dark and light modules.
type QRCode struct{ image image.Image }

// NewQRCode draws a text.
func NewQRCode(text string) (*QRCode, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("identity: draw QR code: %w", err)
	}
	return &QRCode{code}, nil
}

// Size is the number of modules in a row.
func (q *QRCode) Size() int { return q.image.Bounds().Dx() }

// Side is the width of the code with its border, in modules.
func (q *QRCode) Side() int { return q.Size() + 2*quietZone }

// Dark reports whether a module is dark.
func (q *QRCode) Dark(x, y int) bool {
	r, _, _, _ := q.image.At(x, y).RGBA()
	return r < 0x8000
}

// quietZone is the light border that scanners need, in modules (ISO/IEC 18004 §9.1).
const quietZone = 4

// Path is the dark modules as the path of an SVG whose unit is a module and whose
// view box is Side() wide.
func (q *QRCode) Path() string {
	var b strings.Builder
	for y := range q.Size() {
		for x := 0; x < q.Size(); x++ {
			if !q.Dark(x, y) {
				continue
			}
			from := x
			for x < q.Size() && q.Dark(x, y) {
				x++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
		}
	}
	return b.String()
}

// DataURI is the code as a PNG of some 300 pixels within a data: address.
func (q *QRCode) DataURI() (string, error) {
	side := q.Size() + 2*quietZone
	scale := max(1, 300/side)
	img := image.NewPaletted(image.Rect(0, 0, side*scale, side*scale), color.Palette{color.White, color.Black})
	for y := range q.Size() * scale {
		for x := range q.Size() * scale {
			if q.Dark(x/scale, y/scale) {
				img.SetColorIndex(x+quietZone*scale, y+quietZone*scale, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", fmt.Errorf("identity: draw QR code: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
