package authkit

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// Config says which application this is. ClientID, APIKey, CookiePassword and
// RedirectURI must be set.
type Config struct {
	// ClientID and APIKey name the application's environment: "client_…", "sk_…".
	ClientID, APIKey string
	// CookiePassword seals the session, at least 32 characters; keep it secret.
	CookiePassword string
	// RedirectURI is where the identity service sends people back to, the address of
	// Callback. It is registered with the environment.
	RedirectURI string
	// APIURL is the identity service, by default the vendor's https://api.workos.com;
	// a Lentil on this machine is at http://localhost:4100.
	APIURL string

	// CookieName is "wos-session" by default, CookieDomain the page's own host,
	// CookieMaxAge 400 days, which is the most that browsers allow.
	CookieName, CookieDomain string
	CookieMaxAge             time.Duration

	// HTTPClient reaches the identity service; nil means one with a timeout of 15
	// seconds.
	HTTPClient *http.Client
	// Log is told of sign-ins that failed and renewals; never of tokens. nil means
	// nobody.
	Log *slog.Logger
}

// FromEnv reads the variables that the official packages read: WORKOS_CLIENT_ID,
// WORKOS_API_KEY, WORKOS_COOKIE_PASSWORD, WORKOS_REDIRECT_URI (or
// NEXT_PUBLIC_WORKOS_REDIRECT_URI), WORKOS_API_HOSTNAME, WORKOS_API_PORT,
// WORKOS_API_HTTPS, WORKOS_COOKIE_NAME, WORKOS_COOKIE_DOMAIN and
// WORKOS_COOKIE_MAX_AGE in seconds.
func FromEnv(getenv func(string) string) Config {
	c := Config{
		ClientID: getenv("WORKOS_CLIENT_ID"), APIKey: getenv("WORKOS_API_KEY"), CookiePassword: getenv("WORKOS_COOKIE_PASSWORD"),
		RedirectURI: getenv("WORKOS_REDIRECT_URI"), CookieName: getenv("WORKOS_COOKIE_NAME"), CookieDomain: getenv("WORKOS_COOKIE_DOMAIN"),
	}
	if c.RedirectURI == "" {
		c.RedirectURI = getenv("NEXT_PUBLIC_WORKOS_REDIRECT_URI")
	}
	if host := getenv("WORKOS_API_HOSTNAME"); host != "" {
		scheme := "https"
		if getenv("WORKOS_API_HTTPS") == "false" {
			scheme = "http"
		}
		if port := getenv("WORKOS_API_PORT"); port != "" {
			host += ":" + port
		}
		c.APIURL = scheme + "://" + host
	}
	if s, err := strconv.Atoi(getenv("WORKOS_COOKIE_MAX_AGE")); err == nil && s > 0 {
		c.CookieMaxAge = time.Duration(s) * time.Second
	}
	return c
}

// The defaults of Config.
const (
	vendorURL     = "https://api.workos.com"
	defaultCookie = "wos-session"
	defaultMaxAge = 400 * 24 * time.Hour
	callTimeout   = 15 * time.Second
)

// Kit signs people in to one application. It may be used by many goroutines.
type Kit struct {
	cfg      Config
	secure   bool // cookies are for https alone
	verifier token.Verifier
	log      *slog.Logger
	now      func() time.Time

	mu       sync.Mutex
	renewals map[string]*renewal // by refresh token
}

// New checks the configuration and says what is missing; it calls nobody.
func New(c Config) (*Kit, error) {
	for _, f := range []struct{ name, variable, value string }{
		{"ClientID", "WORKOS_CLIENT_ID", c.ClientID}, {"APIKey", "WORKOS_API_KEY", c.APIKey},
		{"CookiePassword", "WORKOS_COOKIE_PASSWORD", c.CookiePassword}, {"RedirectURI", "WORKOS_REDIRECT_URI", c.RedirectURI},
	} {
		if f.value == "" {
			return nil, fmt.Errorf("authkit: %s is not set (in the environment: %s)", f.name, f.variable)
		}
	}
	if len(c.CookiePassword) < minPassword {
		return nil, fmt.Errorf("authkit: the cookie password has %d characters and needs %d; make one with: openssl rand -base64 32", len(c.CookiePassword), minPassword)
	}
	back, err := url.Parse(c.RedirectURI)
	if err != nil || back.Scheme != "http" && back.Scheme != "https" || back.Host == "" {
		return nil, fmt.Errorf("authkit: the redirect URI %q is not an address such as https://example.com/callback", c.RedirectURI)
	}
	if c.APIURL == "" {
		c.APIURL = vendorURL
	}
	c.APIURL = strings.TrimRight(c.APIURL, "/")
	if u, err := url.Parse(c.APIURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("authkit: the address of the identity service %q is not one such as %s", c.APIURL, vendorURL)
	}
	if c.CookieName == "" {
		c.CookieName = defaultCookie
	}
	if c.CookieMaxAge == 0 {
		c.CookieMaxAge = defaultMaxAge
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Timeout: callTimeout}
	}
	k := &Kit{cfg: c, secure: back.Scheme == "https", log: c.Log, now: time.Now, renewals: map[string]*renewal{}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	k.verifier.Client = c.HTTPClient
	return k, nil
}
