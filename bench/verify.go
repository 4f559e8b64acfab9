package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// benchVerify measures what it takes to know who somebody is: an access token that
// was not seen before, checked against the house's key set; and a query over HTTP
// that carries one.
func benchVerify(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	var grant struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	var user any
	if err := post(ctx, c, h.info.AuthKitURL+"/user_management/users", h.info.APIKey,
		map[string]any{"email": "ada@example.com", "password": floodPassword, "email_verified": true}, &user); err != nil {
		return err
	}
	if err := post(ctx, c, h.info.AuthKitURL+"/user_management/authenticate", "", map[string]any{
		"grant_type": "password", "client_id": h.info.ClientID, "client_secret": h.info.APIKey, "email": "ada@example.com", "password": floodPassword,
	}, &grant); err != nil {
		return err
	}
	tokens := make([]string, 2000)
	for i := range tokens {
		if err := post(ctx, c, h.info.AuthKitURL+"/user_management/authenticate", "", map[string]any{
			"grant_type": "refresh_token", "client_id": h.info.ClientID, "refresh_token": grant.RefreshToken,
		}, &grant); err != nil {
			return err
		}
		tokens[i] = grant.AccessToken
	}
	providers, err := token.ParseProviders(fmt.Appendf(nil, `{"providers":[{"type":"customJwt","issuer":"https://api.workos.com/user_management/%s","jwks":"%s/sso/jwks/%s","algorithm":"RS256"}]}`,
		h.info.ClientID, h.info.AuthKitURL, h.info.ClientID))
	if err != nil {
		return err
	}
	v := &token.Verifier{Client: c}
	if _, err := v.Verify(ctx, providers, grant.AccessToken); err != nil { // fetches the key set
		return err
	}
	var fresh, again spread
	for _, times := range []*spread{&fresh, &again} {
		for _, t := range tokens {
			began := time.Now()
			if _, err := v.Verify(ctx, providers, t); err != nil {
				return err
			}
			*times = append(*times, time.Since(began))
		}
	}
	b.report("verification of an access token not seen before", "%v", fresh)
	b.report("verification of one seen before", "%v", again)
	return nil
}
