package token

import (
	_ "embed" // the list of top-level domains
	"net/url"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// tlds lists the top-level domains of the DNS root zone, one a line, lower
// case; those in other scripts in their ASCII form.
//
//go:embed tlds.txt
var tlds string

// knownTLD tells whether a label is a top-level domain.
var knownTLD = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for t := range strings.Lines(tlds) {
		m[strings.TrimSpace(t)] = true
	}
	return m
})

// domainError is a provider URL that cannot be used.
func domainError(raw, why string) *apierr.Error {
	return apierr.New(apierr.BadRequest, "InvalidProviderDomainUrl",
		"Invalid provider domain URL %q: %s. Write the provider's address with its scheme, as in \"https://your-issuer.example.com\".", raw, why)
}

// checkDomain applies the URL rules of auth config (convex-cli.md §3): http and
// https are fine; a missing scheme means https, but then the host must be
// localhost or end in a real top-level domain, so that a misspelt value is seen
// at push time. It returns the URL with its scheme.
func checkDomain(raw string) (string, error) {
	switch {
	case raw == "":
		return "", domainError(raw, "it is empty")
	case strings.HasPrefix(raw, `"`) || strings.HasPrefix(raw, `'`):
		return "", domainError(raw, "it begins with a quotation mark; remove the quotation marks from the environment variable's value")
	case strings.TrimSpace(raw) != raw:
		return "", domainError(raw, "it has spaces around it")
	}
	full, bare := raw, false
	if !strings.Contains(raw, "://") {
		full, bare = "https://"+raw, true
	}
	u, err := url.Parse(full)
	if err != nil {
		return "", domainError(raw, "it is not a URL")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", domainError(raw, "its scheme must be http or https")
	case host == "":
		return "", domainError(raw, "it names no host")
	case u.User != nil:
		return "", domainError(raw, "it holds credentials")
	}
	if bare && host != "localhost" {
		i := strings.LastIndexByte(host, '.')
		if i <= 0 || !knownTLD()[host[i+1:]] {
			return "", domainError(raw, "its host does not end in a known top-level domain")
		}
	}
	return full, nil
}

// normalIssuer is an issuer as it is compared: with a scheme, without trailing
// slashes, otherwise byte for byte (convex-sync.md §7).
func normalIssuer(iss string) string {
	if !strings.HasPrefix(iss, "https://") && !strings.HasPrefix(iss, "http://") {
		iss = "https://" + iss
	}
	return strings.TrimRight(iss, "/")
}
