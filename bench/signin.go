package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// rawSigning counts RS256 signatures a second on all cores, with nothing around.
func rawSigning() (float64, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte("claims"))
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() {
			for time.Since(began) < 2*time.Second {
				if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err == nil {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds(), nil
}

// post sends JSON to the sign-in API and decodes the answer.
func post(ctx context.Context, c *http.Client, url, bearer string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %d %.300s", url, res.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// benchRefresh counts refresh grants a second; each signs one access token.
func benchRefresh(ctx context.Context, b *bench) error {
	raw, err := rawSigning()
	if err != nil {
		return err
	}
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	const n = 16
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	type grant struct {
		RefreshToken string `json:"refresh_token"`
	}
	tokens := make([]grant, n)
	for i := range tokens {
		email := fmt.Sprintf("person%d@example.com", i)
		var user any
		if err := post(ctx, c, h.info.AuthKitURL+"/user_management/users", h.info.APIKey,
			map[string]any{"email": email, "password": "correct horse battery staple", "email_verified": true}, &user); err != nil {
			return err
		}
		if err := post(ctx, c, h.info.AuthKitURL+"/user_management/authenticate", "", map[string]any{
			"grant_type": "password", "client_id": h.info.ClientID, "client_secret": h.info.APIKey, "email": email, "password": "correct horse battery staple",
		}, &tokens[i]); err != nil {
			return err
		}
	}
	times, rate, err := b.hammer(ctx, n, func(ctx context.Context, i int) error {
		return post(ctx, c, h.info.AuthKitURL+"/user_management/authenticate", "", map[string]any{
			"grant_type": "refresh_token", "client_id": h.info.ClientID, "refresh_token": tokens[i].RefreshToken,
		}, &tokens[i])
	})
	if err != nil {
		return err
	}
	b.report("raw RS256 signatures on all cores", "%.0f/s", raw)
	b.report(fmt.Sprintf("refresh grants, %d clients", n), "%.0f/s (%.0f %% of raw signing), %v", rate, 100*rate/raw, times)
	return nil
}
