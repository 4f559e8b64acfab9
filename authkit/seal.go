package authkit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the format's key derivation; passwords are long and random
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The format is that of the official package's sealed cookies: "Fe26.2" of the npm
// package iron-webcrypto 1.2.1 with its default options, and the version that
// iron-session 8.0.4 puts after it.
const (
	sealPrefix   = "Fe26.2"
	sealPassword = "1" // the id of the password
	sealVersion  = "~2"
	sealSkew     = 60 * time.Second
	sealKeyBytes = 32
	maxSealed    = 64 << 10
)

// errSeal is the one answer to whatever is wrong with a sealed text.
var errSeal = errors.New("authkit: the sealed text is damaged, too old, or was sealed with another password")

// minPassword is how many bytes a cookie password must have at the least.
const minPassword = 32

// sealKey derives a key. One round is what the format has; the password must carry
// the strength.
func sealKey(password, salt string) ([]byte, error) {
	return pbkdf2.Key(sha1.New, password, []byte(salt), 1, sealKeyBytes)
}

// seal encrypts v as JSON; a life of 0 is for ever.
func seal(v any, password string, life time.Duration, now time.Time) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("authkit: seal: %w", err)
	}
	salts := make([]byte, 64)
	iv := make([]byte, aes.BlockSize)
	rand.Read(salts)
	rand.Read(iv)
	salt, macSalt := hex.EncodeToString(salts[:32]), hex.EncodeToString(salts[32:])
	key, err := sealKey(password, salt)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		plain = append(plain, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	expires := ""
	if life > 0 {
		expires = strconv.FormatInt(now.Add(life).UnixMilli(), 10)
	}
	text := base64.RawURLEncoding
	base := strings.Join([]string{sealPrefix, sealPassword, salt, text.EncodeToString(iv), text.EncodeToString(plain), expires}, "*")
	mac, err := sealMAC(password, macSalt, base)
	if err != nil {
		return "", err
	}
	return base + "*" + macSalt + "*" + text.EncodeToString(mac) + sealVersion, nil
}

// sealMAC authenticates all that stands before it.
func sealMAC(password, salt, base string) ([]byte, error) {
	key, err := sealKey(password, salt)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(base))
	return m.Sum(nil), nil
}

// unseal is the reverse of seal. The text is authenticated before anything of it is
// decrypted.
func unseal(sealed, password string, now time.Time, out any) error {
	sealed, ok := strings.CutSuffix(sealed, sealVersion)
	parts := strings.Split(sealed, "*")
	if !ok || len(sealed) > maxSealed || len(parts) != 8 || parts[0] != sealPrefix || parts[1] != sealPassword {
		return errSeal
	}
	text := base64.RawURLEncoding.Strict()
	mac, err := text.DecodeString(parts[7])
	if err != nil {
		return errSeal
	}
	want, err := sealMAC(password, parts[6], strings.Join(parts[:6], "*"))
	if err != nil || !hmac.Equal(mac, want) {
		return errSeal
	}
	if parts[5] != "" {
		ms, err := strconv.ParseInt(parts[5], 10, 64)
		if err != nil || !now.Add(-sealSkew).Before(time.UnixMilli(ms)) {
			return errSeal
		}
	}
	iv, err := text.DecodeString(parts[3])
	if err != nil || len(iv) != aes.BlockSize {
		return errSeal
	}
	plain, err := text.DecodeString(parts[4])
	if err != nil || len(plain) == 0 || len(plain)%aes.BlockSize != 0 {
		return errSeal
	}
	key, err := sealKey(password, parts[2])
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return errSeal
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return errSeal
		}
	}
	if json.Unmarshal(plain[:len(plain)-pad], out) != nil {
		return errSeal
	}
	return nil
}
