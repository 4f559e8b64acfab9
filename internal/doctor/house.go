package doctor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/token"
)

// Address is where a deployment may answer.
type Address struct {
	URL, AdminKey string
	From          string // where the address stands, for messages
}

// House is a deployment that answered.
type House struct {
	Address
	// Facts are nil if it is not Lentil's.
	Facts *diagnosis.Facts
	// Variables are the deployment's; nil if they could not be had.
	Variables map[string]string
	// Providers are the live ones as far as they are known; nil if they are not.
	Providers []token.Provider
	// Skew is how far its clock is ahead of ours, within Uncertain.
	Skew, Uncertain time.Duration

	client *http.Client
}

// askTimeout bounds one question.
const askTimeout = 5 * time.Second

// maxAnswer bounds an answer.
const maxAnswer = 8 << 20

// ask finds the house.
func (p *Patient) ask(ctx context.Context) {
	client := p.opts.Client
	if client == nil {
		client = &http.Client{Timeout: askTimeout}
	}
	if len(p.opts.Houses) == 0 {
		p.HouseWhy = "no deployment is known: start one with lentil dev, or name it with --url and --admin-key"
		return
	}
	var whys []string
	for _, a := range p.opts.Houses {
		h := &House{Address: a, client: client}
		if err := h.meet(ctx); err != nil {
			whys = append(whys, fmt.Sprintf("%s (%s): %v", a.URL, a.From, err))
			continue
		}
		p.House = h
		return
	}
	p.HouseWhy = "no deployment answers: " + strings.Join(whys, "; ")
}

// errNoKey is a deployment whose admin key is not known.
var errNoKey = errors.New("its admin key is not known")

// meet asks for the facts.
func (h *House) meet(ctx context.Context) error {
	began := time.Now()
	if h.AdminKey == "" { // whom it trusts it tells everybody whom it refuses
		var err error
		if h.Providers, err = h.provoke(ctx); err == nil && h.Providers == nil {
			err = errNoKey
		}
		return err
	}
	var facts diagnosis.Facts
	res, err := h.get(ctx, diagnosis.FactsPath, &facts)
	took := time.Since(began)
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("it does not accept the admin key (%s)", res.Status)
	case res.StatusCode == http.StatusOK && facts.Deployment != "":
		h.Facts = &facts
		h.Skew, h.Uncertain = facts.Now.Sub(began.Add(took/2)), took/2
		if len(facts.Providers) > 0 && string(facts.Providers) != "null" {
			if h.Providers, err = token.ParseProviders(fmt.Appendf(nil, `{"providers":%s}`, facts.Providers)); err != nil {
				return fmt.Errorf("its auth providers cannot be read: %w", err)
			}
		} else {
			h.Providers = []token.Provider{}
		}
	default:
		if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			h.Skew, h.Uncertain = at.Sub(began.Add(took/2)), took/2+time.Second
		}
		if h.Providers, err = h.provoke(ctx); err != nil {
			return err
		}
	}
	var env struct {
		Variables map[string]string `json:"environmentVariables"`
	}
	if res, err := h.get(ctx, "/api/v1/list_environment_variables", &env); err == nil && res.StatusCode == http.StatusOK {
		h.Variables = env.Variables
	}
	return nil
}

// get asks with the admin key. The body is closed; it is decoded if it is JSON.
func (h *House) get(ctx context.Context, path string, into any) (*http.Response, error) {
	return h.do(ctx, http.MethodGet, h.URL+path, "Convex "+h.AdminKey, nil, into)
}

// do makes one call.
func (h *House) do(ctx context.Context, method, url, authorization string, body, into any) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return nil, plainNetwork(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, plainNetwork(err)
	}
	if into != nil {
		json.Unmarshal(b, into) // what is no JSON has none of the members asked for
	}
	return res, nil
}

// plainNetwork leaves of a network error what a person needs.
func plainNetwork(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "connection refused"):
		return errors.New("nothing answers there")
	case strings.Contains(text, "no such host"):
		return errors.New("the host is not known")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	}
	return err
}

// listed is a provider as the refusal of a token lists it.
var listed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(CustomJWT|OIDC)\((?:issuer|domain)=([^,()\s]+), app_id=([^,()\s]+)\)`)
})

// provoke learns the providers of a deployment that does not tell them: it refuses
// a token of nobody, and lists whose it would take. Nothing is changed by that.
func (h *House) provoke(ctx context.Context) ([]token.Provider, error) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := part(`{"alg":"RS256","kid":"doctor","typ":"JWT"}`) + "." + part(`{"iss":"https://doctor.invalid","sub":"doctor","exp":1}`) + "." + part("none")
	var answer struct {
		Code, Message string
	}
	if _, err := h.do(ctx, http.MethodPost, h.URL+"/api/query", "Bearer "+jwt, map[string]any{"path": "doctor:none", "args": map[string]any{}, "format": "json"}, &answer); err != nil {
		return nil, err
	}
	if answer.Code != "NoAuthProvider" {
		return nil, nil
	}
	list := []token.Provider{}
	for _, m := range listed().FindAllStringSubmatch(answer.Message, 100) {
		q := token.Provider{Type: token.TypeCustomJWT, Issuer: m[2], ApplicationID: m[3]}
		if m[1] == "OIDC" {
			q.Type = token.TypeOIDC
		}
		if strings.EqualFold(q.ApplicationID, "none") {
			q.ApplicationID = ""
		}
		list = append(list, q)
	}
	return list, nil
}

// workos makes a call to the identity API with the deployment's own key.
func (h *House) workos(ctx context.Context, method, path string, body any) error {
	var answer struct{ Message string }
	res, err := h.do(ctx, method, h.Facts.AuthKitURL+path, "Bearer "+h.Variables["WORKOS_API_KEY"], body, &answer)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer.Message)
	}
	return nil
}

// setVariable sets a variable of the deployment.
func (h *House) setVariable(ctx context.Context, name, value string) error {
	var answer struct{ Message string }
	res, err := h.do(ctx, http.MethodPost, h.URL+"/api/v1/update_environment_variables", "Convex "+h.AdminKey,
		map[string]any{"changes": []map[string]string{{"name": name, "value": value}}}, &answer)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("set %s: %s %s", name, res.Status, answer.Message)
	}
	return nil
}
