package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// opensslSigning is what `openssl speed` counts on all cores; 0 where there is no
// such command.
func opensslSigning(ctx context.Context) float64 {
	out, err := exec.CommandContext(ctx, "openssl", "speed", "-seconds", "2", "-multi", strconv.Itoa(runtime.NumCPU()), "rsa2048").Output()
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(out)) {
		// rsa 2048 bits 0.000214s 0.000013s   4672.9  77704.7
		if f := strings.Fields(line); len(f) >= 6 && f[0] == "rsa" && f[1] == "2048" {
			rate, _ := strconv.ParseFloat(f[5], 64)
			return rate
		}
	}
	return 0
}

// rawSigning counts RS256 signatures of Go's own a second on all cores, with nothing
// around.
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
	openssl := opensslSigning(ctx)
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
	lines, err := dialLines(ctx, h.info.AuthKitURL, n)
	if err != nil {
		return err
	}
	times, rate, err := b.hammer(ctx, n, func(ctx context.Context, i int) error {
		body := fmt.Sprintf(`{"client_id":%q,"grant_type":"refresh_token","refresh_token":%q}`, h.info.ClientID, tokens[i].RefreshToken)
		answer, err := lines[i].post("/user_management/authenticate", body)
		if err != nil {
			return err
		}
		const member = `"refresh_token":"`
		_, rest, ok := bytes.Cut(answer, []byte(member))
		end := bytes.IndexByte(rest, '"')
		if !ok || end < 0 {
			return fmt.Errorf("no refresh token in %.300s", answer)
		}
		tokens[i].RefreshToken = string(rest[:end])
		return nil
	})
	if err != nil {
		return err
	}
	b.report("raw RS256 signatures on all cores, crypto/rsa", "%.0f/s", raw)
	against := fmt.Sprintf("%.0f %% of crypto/rsa", 100*rate/raw)
	if openssl > 0 {
		b.report("raw RS256 signatures on all cores, OpenSSL", "%.0f/s", openssl)
		against += fmt.Sprintf(", %.0f %% of OpenSSL", 100*rate/openssl)
	}
	b.report(fmt.Sprintf("refresh grants, %d clients", n), "%.0f/s (%s), %v", rate, against, times)
	return nil
}

// line is a connection on which one client posts. It does as little as a client can,
// since it takes its share of the processors from the server that is measured.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	host string
	out  []byte
}

// dialLines opens n connections to the host of an address.
func dialLines(ctx context.Context, address string, n int) ([]*line, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	lines := make([]*line, n)
	for i := range lines {
		c, err := d.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { c.Close() })
		lines[i] = &line{conn: c, in: bufio.NewReaderSize(c, 8<<10), host: u.Host}
	}
	return lines, nil
}

// post sends JSON and gives the body of the answer, which must be a 200.
func (l *line) post(path, body string) ([]byte, error) {
	l.out = fmt.Appendf(l.out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, l.host, len(body), body)
	if _, err := l.conn.Write(l.out); err != nil {
		return nil, err
	}
	length, status := -1, ""
	for {
		text, err := l.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		text = bytes.TrimSpace(text)
		switch name, value, _ := bytes.Cut(text, []byte(": ")); {
		case status == "":
			status = string(text)
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		}
		if len(text) == 0 {
			break
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("%s: no Content-Length after %s", path, status)
	}
	answer := make([]byte, length)
	if _, err := io.ReadFull(l.in, answer); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return nil, fmt.Errorf("%s: %s %.300s", path, status, answer)
	}
	return answer, nil
}
