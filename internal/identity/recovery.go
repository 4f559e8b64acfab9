package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// Recovery codes: ten of them, of 120 random bits each. That is enough for a plain hash
// (OWASP ASVS 5.0, 6.5.2: from 112 bits on): whoever has the store cannot try them out.
const (
	recoveryCodes  = 10
	recoveryGroups = 4
	recoveryGroup  = 6 // letters of five bits

	// RecoverySeed is how many random bytes RecoveryCodes needs.
	RecoverySeed = recoveryCodes * recoveryGroups * recoveryGroup * 5 / 8
)

// recoveryLetters are 32 that are hard to mix up: neither one nor nought, and none of
// the letters that look like them beside each other.
const recoveryLetters = "abcdefghjkmnopqrstuvwxyz23456789"

// RecoveryCodes makes codes of RecoverySeed random bytes. They stand in for a lost
// factor, each once.
func RecoveryCodes(seed []byte) []string {
	out := make([]string, recoveryCodes)
	bits, have := 0, 0
	for i := range out {
		var b strings.Builder
		for n := range recoveryGroups * recoveryGroup {
			if n > 0 && n%recoveryGroup == 0 {
				b.WriteByte('-')
			}
			if have < 5 {
				bits, have, seed = (bits<<8|int(seed[0]))&0xffff, have+8, seed[1:]
			}
			have -= 5
			b.WriteByte(recoveryLetters[bits>>have&31])
		}
		out[i] = b.String()
	}
	return out
}

// recoveryHash is how a recovery code is stored. Case, spaces and dashes do not
// matter, as people copy codes from paper.
func recoveryHash(user UserID, code string) string {
	code = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\u2013' || r == '\t' {
			return -1
		}
		return r
	}, strings.ToLower(code))
	sum := sha256.Sum256([]byte("lentil recovery code\x00" + string(user) + "\x00" + code))
	return hex.EncodeToString(sum[:])
}

// SetRecoveryCodes replaces a user's recovery codes.
func (tx *Tx) SetRecoveryCodes(user UserID, codes []string) error {
	hashes := make([]string, len(codes))
	for i, c := range codes {
		hashes[i] = recoveryHash(user, c)
	}
	row, err := tx.First(tableRecovery, "on_user", string(user))
	if err != nil {
		return err
	}
	if row != nil {
		return tx.Patch(row, Row{Texts("hashes", hashes), Time("created", tx.now)})
	}
	return tx.Add(tableRecovery, Row{Text("user", user), Texts("hashes", hashes), Time("created", tx.now)})
}

// UseRecoveryCode takes one of a user's codes, which works no second time. left is
// how many there are afterwards.
func (tx *Tx) UseRecoveryCode(user UserID, code string) (ok bool, left int, err error) {
	row, err := tx.First(tableRecovery, "on_user", string(user))
	if err != nil || row == nil {
		return false, 0, err
	}
	hash := recoveryHash(user, code)
	var rest []string
	for _, h := range row.Texts("hashes") {
		if subtle.ConstantTimeCompare([]byte(h), []byte(hash)) == 1 {
			ok = true
			continue
		}
		rest = append(rest, h)
	}
	if !ok {
		return false, len(rest), nil
	}
	return true, len(rest), tx.Patch(row, Row{Texts("hashes", rest)})
}

// RecoveryCodesLeft counts a user's unused recovery codes.
func (tx *Tx) RecoveryCodesLeft(user UserID) (int, error) {
	row, err := tx.First(tableRecovery, "on_user", string(user))
	if err != nil || row == nil {
		return 0, err
	}
	return len(row.Texts("hashes")), nil
}

// dropRecoveryCodes forgets a user's recovery codes.
func (tx *Tx) dropRecoveryCodes(user UserID) error {
	row, err := tx.First(tableRecovery, "on_user", string(user))
	if err != nil || row == nil {
		return err
	}
	return tx.Remove(row)
}
