package udf

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// signingTable has one row: the key pair with which mutations sign tokens, sealed.
const signingTable = "_signing_keys"

// signingPurpose binds the seal of the private key.
const signingPurpose = "deployment signing key"

// JWKSPath is where the deployment publishes the public key, below its cloud URL.
const JWKSPath = "/.well-known/jwks.json"

// Limits of signed tokens. The lifetimes are the library's (server/authentication.ts);
// tokens travel in headers, whence the size.
const (
	minJWTSeconds  = 1
	maxJWTSeconds  = 3600
	maxJWTClaims   = 8 << 10
	signingKeySize = 12 // random bytes of a key id
)

// openSigning loads the key pair, which is made when the deployment is first opened.
func (r *Runner) openSigning(ctx context.Context) error {
	var kid, sealed string
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error {
		doc, err := single(ctx, tx, signingTable)
		if err != nil {
			return err
		}
		if doc != nil {
			kid, sealed = text(doc.Object(), "kid"), text(doc.Object(), "sealed")
			return nil
		}
		key, err := token.GenerateES256Key()
		if err != nil {
			return err
		}
		der, err := token.MarshalPrivateKey(key)
		if err != nil {
			return err
		}
		var id [signingKeySize]byte
		rand.Read(id[:])
		kid, sealed = fmt.Sprintf("%x", id), r.Sealer.Seal(signingPurpose, der)
		return setSingle(ctx, tx, signingTable, value.ObjectOf(
			value.Field{Name: "kid", Value: value.String(kid)}, value.Field{Name: "sealed", Value: value.String(sealed)}))
	})
	if err != nil {
		return fmt.Errorf("udf: prepare signing key: %w", err)
	}
	der, err := r.Sealer.Open(signingPurpose, sealed)
	if err != nil {
		return fmt.Errorf("udf: unseal signing key %s: %w (was the house's master key replaced?)", kid, err)
	}
	key, err := token.ParseES256Key(der)
	if err != nil {
		return fmt.Errorf("udf: read signing key %s: %w", kid, err)
	}
	if r.signer, err = token.NewES256Signer(kid, key); err != nil {
		return fmt.Errorf("udf: use signing key %s: %w", kid, err)
	}
	if r.keys, err = token.NewLocalKeySet(r.signer.PublicKey()); err != nil {
		return fmt.Errorf("udf: publish signing key %s: %w", kid, err)
	}
	return nil
}

// Keys are the public keys of the tokens that mutations of the deployment sign.
func (r *Runner) Keys() *token.LocalKeySet { return r.keys }

// JWKSURL is where they are published.
func (r *Runner) JWKSURL() string { return r.CloudURL + JWKSPath }

// signJWT answers ctx.auth.signJwt of mutations.
func (x *execution) signJWT(_ context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Claims  map[string]json.RawMessage `json:"claims"`
		Seconds *float64                   `json:"expiresInSeconds"`
	}
	if err := decode(args, "auth.signJwt", &a); err != nil {
		return nil, err
	}
	if a.Seconds == nil || !(*a.Seconds >= minJWTSeconds && *a.Seconds <= maxJWTSeconds) {
		return nil, invalidArgument("expiresInSeconds", "auth.signJwt", fmt.Sprintf("expected a number of seconds from %d to %d", minJWTSeconds, maxJWTSeconds))
	}
	claims, size := make(map[string]any, len(a.Claims)+3), 0
	for name, v := range a.Claims {
		if reservedClaim(name) {
			return nil, invalidArgument("claims", "auth.signJwt", fmt.Sprintf("the claim `%s` is reserved. The deployment sets `iss`, `iat` and `exp`; "+
				"`nbf` and names that start with \"convex\" or \"cvx\" cannot be set", clip([]byte(name))))
		}
		claims[name], size = v, size+len(name)+len(v)
	}
	if size > maxJWTClaims {
		return nil, invalidArgument("claims", "auth.signJwt", fmt.Sprintf("the claims are too large (%s > maximum size %s)", value.FormatSize(size), value.FormatSize(maxJWTClaims)))
	}
	issuer, issued := x.run.r.CloudURL, x.run.now.Unix()
	if path := x.live.component.Path; path != "" {
		issuer += "/components/" + path
	}
	claims["iss"], claims["iat"], claims["exp"] = issuer, issued, issued+int64(*a.Seconds)
	jwt, err := x.run.r.signer.Sign(claims)
	if err != nil {
		return nil, fmt.Errorf("udf: sign token: %w", err)
	}
	return value.AppendQuoted(nil, jwt), nil
}

// reservedClaim tells whether programs may not set a claim.
func reservedClaim(name string) bool {
	switch name {
	case "iss", "iat", "exp", "nbf":
		return true
	}
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "convex") || strings.HasPrefix(name, "cvx")
}
