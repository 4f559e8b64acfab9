package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// SignatureHeader carries the signature of a request.
const SignatureHeader = "WorkOS-Signature"

// mac is the signature of a text at a time in milliseconds: HMAC-SHA-256 of
// "<time>.<text>", in hexadecimal (workos-api.md §6.1).
func mac(secret string, ms int64, text []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(strconv.AppendInt(nil, ms, 10))
	m.Write([]byte{'.'})
	m.Write(text)
	return hex.EncodeToString(m.Sum(nil))
}

// sign is the value of SignatureHeader.
func sign(secret string, at time.Time, body []byte) string {
	ms := at.UnixMilli()
	return "t=" + strconv.FormatInt(ms, 10) + ", v1=" + mac(secret, ms, body)
}

// genuine reports whether signature is that of a text.
func genuine(secret string, ms int64, text []byte, signature string) bool {
	return hmac.Equal([]byte(mac(secret, ms, text)), []byte(signature))
}
