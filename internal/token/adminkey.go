package token

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// adminKeyVersion is the first byte of an admin key's hexadecimal part.
// 1: 2026-11-23, HKDF-SHA256 of the instance secret with the deployment's name.
const adminKeyVersion = 1

// errBadAdminKey is the one answer to every wrong key, so that a guesser
// learns nothing about which part was wrong.
var errBadAdminKey = apierr.New(apierr.Unauthenticated, "BadAdminKey",
	"The provided admin key was invalid for this instance. Check CONVEX_SELF_HOSTED_ADMIN_KEY against the key that the server printed.")

// AdminKeys makes and checks the admin key of one deployment: text of the form
// `<deployment name>|<hex>`, derived from the instance secret so that nothing
// need be stored.
type AdminKeys struct {
	deployment string
	secret     [1 + 32]byte
}

// NewAdminKeys derives the admin key of a deployment from a secret of at least
// 16 random bytes. Another secret or another name gives another key.
func NewAdminKeys(deployment string, secret []byte) *AdminKeys {
	b, err := hkdf.Key(sha256.New, secret, nil, "lentil admin key v1|"+deployment, 32)
	if err != nil {
		panic("token: derive admin key: " + err.Error()) // 32 bytes are always within HKDF's limit
	}
	a := &AdminKeys{deployment: deployment}
	a.secret[0] = adminKeyVersion
	copy(a.secret[1:], b)
	return a
}

// Key is the admin key as people paste it.
func (a *AdminKeys) Key() string {
	return a.deployment + "|" + hex.EncodeToString(a.secret[:])
}

// AdminKeyOf is the admin key of a deployment of a house, by the house's master
// secret.
func AdminKeyOf(master []byte, deployment string) (string, error) {
	secret, err := DeploymentSecret(master, deployment)
	if err != nil {
		return "", err
	}
	return NewAdminKeys(deployment, secret).Key(), nil
}

// HouseToken derives the access token that programs with the data directory's secret
// use, with all rights of the house's owner. It is stored nowhere.
func HouseToken(master []byte) (string, error) {
	b, err := hkdf.Key(sha256.New, master, nil, "lentil house token v1", 32)
	if err != nil {
		return "", err
	}
	return "lentil_house_" + hex.EncodeToString(b), nil
}

// DeploymentSecret derives a deployment's own secret from the house's master secret.
func DeploymentSecret(master []byte, deployment string) ([]byte, error) {
	return hkdf.Key(sha256.New, master, nil, "lentil deployment v1|"+deployment, 32)
}

// Check accepts the key with or without the prefixes that tools put before it
// and returns BadAdminKey otherwise. The secret part is compared in constant
// time; the deployment's name is not secret.
func (a *AdminKeys) Check(key string) error {
	key = stripKeyPrefix(key)
	name, secret, ok := strings.Cut(key, "|")
	if !ok || name != a.deployment {
		return errBadAdminKey
	}
	raw, err := hex.DecodeString(secret)
	if err != nil || subtle.ConstantTimeCompare(raw, a.secret[:]) != 1 {
		return errBadAdminKey
	}
	return nil
}

// stripKeyPrefix removes the deployment-type prefix of a key (convex-cli.md
// §1.4): `prod:` and `dev:` go, `preview:…|` and `project:…|` go up to and
// with the bar when another bar follows.
func stripKeyPrefix(key string) string {
	for _, p := range []string{"prod:", "dev:", "local:"} {
		if rest, ok := strings.CutPrefix(key, p); ok {
			return rest
		}
	}
	for _, p := range []string{"preview:", "project:"} {
		if strings.HasPrefix(key, p) {
			if _, rest, ok := strings.Cut(key, "|"); ok && strings.Contains(rest, "|") {
				return rest
			}
		}
	}
	return key
}
