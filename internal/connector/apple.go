package connector

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// AppleKey is the key of a "Sign in with Apple" service, from which the client
// secret is made.
type AppleKey struct {
	Team, ID string
	Private  *ecdsa.PrivateKey
}

// appleSecretLife is how long a made secret is good: it is used at once.
const appleSecretLife = 5 * time.Minute

// ParseAppleKey reads the .p8 file that Apple hands out.
func ParseAppleKey(team, id, p8 string) (*AppleKey, error) {
	bad := func(err error) error {
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", "Apple needs team_id, key_id and private_key, the text of the .p8 file.").Wrap(err)
	}
	block, _ := pem.Decode([]byte(p8))
	if block == nil || team == "" || id == "" {
		return nil, bad(nil)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad(err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, bad(nil)
	}
	if _, err := token.NewES256Signer(id, key); err != nil {
		return nil, bad(err)
	}
	return &AppleKey{Team: team, ID: id, Private: key}, nil
}

// secret is the client secret, a JWT of ES256
// (https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret).
func (k *AppleKey) secret(client, audience string, now time.Time) (string, error) {
	s, err := token.NewES256Signer(k.ID, k.Private)
	if err != nil {
		return "", err
	}
	return s.Sign(map[string]any{"iss": k.Team, "iat": now.Unix(), "exp": now.Add(appleSecretLife).Unix(), "aud": audience, "sub": client})
}

// addAppleName takes the name that Apple posts beside the code on the first
// sign-in only. Nobody signed it, so nothing but names is taken from it.
func addAppleName(p *Person, user string) {
	var u struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if len(user) <= 4<<10 && json.Unmarshal([]byte(user), &u) == nil {
		p.FirstName, p.LastName = cut(u.Name.First), cut(u.Name.Last)
	}
}
