package login

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
)

// withPrefix begins the place of a link to a social provider, backPlace is where a
// browser comes back to.
const (
	withPrefix = "with-"
	backPlace  = "back"
)

// providerLink is a way to sign in with an account elsewhere.
type providerLink struct{ Type, Name, URL string }

// providers are the links of a page.
func providers(f form, list []authflow.Elsewhere) (out []providerLink) {
	for _, e := range list {
		out = append(out, providerLink{e.Type, e.Name, f.Action + "/" + withPrefix + url.PathEscape(e.Type)})
	}
	return out
}

// awayAnswer reads the addresses that lead to a provider and back; ok is false for
// any other.
func awayAnswer(r *http.Request, place string) (ans authflow.Answer, ok bool, err error) {
	if kind, is := strings.CutPrefix(place, withPrefix); is {
		if r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") != "" || r.Method == http.MethodHead {
			return nil, true, apierr.New(apierr.BadRequest, "prefetch_refused", "This link leads to another site and is not to be fetched ahead.")
		}
		return authflow.GoAway{Provider: clip(kind, 100)}, true, nil
	}
	if place == backPlace {
		return authflow.ComeBack{Key: clip(r.URL.Query().Get("key"), 128)}, true, nil
	}
	return nil, false, nil
}
