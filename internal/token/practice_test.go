package token_test

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// The tests of this file answer to docs/security/rfc8725.md and asvs.md, one
// requirement each.

// issuer1 is whose tokens the provider of these tests takes.
const issuer1 = "https://api.workos.com/user_management/client_1"

// verify checks a token as a deployment with one provider for it would.
func verify(t *testing.T, entry, jwt string) error {
	t.Helper()
	_, err := new(token.Verifier).Verify(t.Context(), providers(t, entry), jwt)
	return err
}

// mustRefuse fails unless the token is refused as its bearer's fault.
func mustRefuse(t *testing.T, entry, what, jwt string) {
	t.Helper()
	if err := verify(t, entry, jwt); apierr.KindOf(err) != apierr.Unauthenticated {
		t.Errorf("%s: error = %v, want a refusal", what, err)
	}
}

// mustAccept fails unless the token passes: what is refused beside it is refused
// for its own fault.
func mustAccept(t *testing.T, entry, jwt string) {
	t.Helper()
	if err := verify(t, entry, jwt); err != nil {
		t.Errorf("a good token is refused: %v", err)
	}
}

// seg is one part of a compact token.
func seg(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge puts a token together under any header, signed with the key by RS256.
func forge(t *testing.T, header, payload string) string {
	t.Helper()
	good := signWith(t, jose.RS256, keys().rsa, "rsa", json.RawMessage(payload))
	return seg(header) + "." + seg(payload) + "." + good[strings.LastIndexByte(good, '.')+1:]
}

// signRaw signs any bytes by RS256 under a header with further members.
func signRaw(t *testing.T, key *rsa.PrivateKey, payload []byte, header map[jose.HeaderKey]any) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithHeader("kid", "rsa")
	for name, v := range header {
		opts = opts.WithHeader(name, v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAlgorithmIsChosenByTheProvider(t *testing.T) {
	t.Parallel()
	k, data := keys(), dataJWKS(t)
	rs, es := custom(issuer1, data, "RS256", ""), custom(issuer1, data, "ES256", "")
	byRSA, byEC := signWith(t, jose.RS256, k.rsa, "rsa", claims(nil)), signWith(t, jose.ES256, k.ec, "ec", claims(nil))
	mustAccept(t, rs, byRSA)
	mustAccept(t, es, byEC)
	mustRefuse(t, es, "RS256 where ES256 is configured", byRSA)
	mustRefuse(t, rs, "ES256 where RS256 is configured", byEC)
	mustRefuse(t, rs, "HMAC keyed with the public key set", signWith(t, jose.HS256, keySet(t).JWKS(), "rsa", claims(nil)))
	mustRefuse(t, rs, "PS256 of the right key", signWith(t, jose.PS256, k.rsa, "rsa", claims(nil)))
}

func TestAlgorithmsAreCurrentOnesOnly(t *testing.T) {
	t.Parallel()
	good := signWith(t, jose.RS256, keys().rsa, "rsa", claims(nil))
	payload := strings.Split(good, ".")[1]
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS256", "RS1", "RSA1_5"} {
		header := seg(fmt.Sprintf(`{"alg":%q,"kid":"rsa"}`, alg))
		mustRefuse(t, custom(issuer1, dataJWKS(t), "RS256", ""), "alg "+alg+" without signature", header+"."+payload+".")
		mustRefuse(t, custom(issuer1, dataJWKS(t), "RS256", ""), "alg "+alg+" with the signature of another", header+"."+payload+good[strings.LastIndexByte(good, '.'):])
	}
	for _, alg := range []string{"none", "HS256", "RS1", "rs256"} {
		if _, err := token.ParseProviders([]byte(`{"providers":[` + custom(issuer1, dataJWKS(t), alg, "") + `]}`)); err == nil {
			t.Errorf("a provider may be configured for %s", alg)
		}
	}
}

func TestEveryPartOfATokenIsCovered(t *testing.T) {
	t.Parallel()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	good := signWith(t, jose.RS256, keys().rsa, "rsa", claims(nil))
	mustAccept(t, entry, good)
	parts := strings.Split(good, ".")
	for i := range parts {
		for _, at := range []int{1, len(parts[i]) / 2, len(parts[i]) - 2} {
			changed := []byte(parts[i])
			if changed[at] == 'A' {
				changed[at] = 'B'
			} else {
				changed[at] = 'A'
			}
			all := append([]string(nil), parts...)
			all[i] = string(changed)
			mustRefuse(t, entry, fmt.Sprintf("part %d changed at %d", i, at), strings.Join(all, "."))
		}
	}
	mustRefuse(t, entry, "a signature with bytes behind it", good+"AAAA")
	mustRefuse(t, entry, "the same signature in another alphabet", parts[0]+"."+parts[1]+"."+strings.NewReplacer("-", "+", "_", "/").Replace(parts[2])+"+/")
}

func TestPointsOffTheCurveAreRefused(t *testing.T) {
	t.Parallel()
	k := keys()
	b64 := base64.RawURLEncoding.EncodeToString
	raw, err := k.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := raw[1:33], bytes.Clone(raw[33:])
	set := func(y []byte) string {
		return "data:application/json," + fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"ec","x":%q,"y":%q}]}`, b64(x), b64(y))
	}
	good := signWith(t, jose.ES256, k.ec, "ec", claims(nil))
	mustAccept(t, custom(issuer1, set(y), "ES256", ""), good)
	y[31] ^= 1
	mustRefuse(t, custom(issuer1, set(y), "ES256", ""), "a key whose point is off the curve", good)
	mustRefuse(t, custom(issuer1, set(make([]byte, 32)), "ES256", ""), "a key at infinity", good)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &other.PublicKey, KeyID: "ec", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, custom(issuer1, "data:application/json,"+string(jwk), "ES256", ""), "a key of another curve", signWith(t, jose.ES384, other, "ec", claims(nil)))
}

func TestWeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1024, 2048} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "rsa", Use: "sig", Algorithm: "RS256"}}})
		if err != nil {
			t.Fatal(err)
		}
		err = verify(t, custom(issuer1, "data:application/json,"+string(jwk), "RS256", ""), signWith(t, jose.RS256, key, "rsa", claims(nil)))
		if bits < 2048 && err == nil || bits >= 2048 && err != nil {
			t.Errorf("a key of %d bits: %v", bits, err)
		}
	}
}

func TestCompressedAndEncryptedTokensAreRefused(t *testing.T) {
	t.Parallel()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	payload, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	mustAccept(t, entry, forge(t, `{"alg":"RS256","kid":"rsa","typ":"JWT"}`, string(payload)))
	var small bytes.Buffer
	w, _ := flate.NewWriter(&small, 9)
	w.Write(payload)
	w.Close()
	jws := signRaw(t, keys().rsa, small.Bytes(), map[jose.HeaderKey]any{"zip": "DEF"})
	mustRefuse(t, entry, "a compressed payload", jws)
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &keys().rsa.PublicKey, KeyID: "rsa"}, &jose.EncrypterOptions{Compression: jose.DEFLATE})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := enc.Encrypt(payload)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, entry, "an encrypted token", jwe)
}

func TestTokensAreUTF8(t *testing.T) {
	t.Parallel()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	b, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	payload := string(b)
	wide := make([]byte, 0, 2*len(payload))
	for _, c := range []byte(payload) {
		wide = append(wide, 0, c)
	}
	raw := func(payload []byte) string { return signRaw(t, keys().rsa, payload, nil) }
	mustAccept(t, entry, raw([]byte(payload)))
	mustRefuse(t, entry, "UTF-16", raw(wide))
	mustRefuse(t, entry, "a byte order mark", raw(append([]byte("\xef\xbb\xbf"), payload...)))
}

func TestIssuerAndSubjectAreValidated(t *testing.T) {
	t.Parallel()
	k, data := keys(), dataJWKS(t)
	entry := custom(issuer1, data, "RS256", "")
	for what, change := range map[string]map[string]any{
		"another issuer":           {"iss": "https://api.workos.com/user_management/client_2"},
		"an issuer that begins so": {"iss": issuer1 + "0"},
		"an issuer in a list":      {"iss": []string{issuer1}},
		"no issuer":                {"iss": nil},
		"no subject":               {"sub": nil},
		"an empty subject":         {"sub": ""},
		"a subject in a list":      {"sub": []string{"user_1"}},
	} {
		mustRefuse(t, entry, what, signWith(t, jose.RS256, k.rsa, "rsa", claims(change)))
	}
}

func TestAudienceIsValidated(t *testing.T) {
	t.Parallel()
	k, data := keys(), dataJWKS(t)
	entry := custom(issuer1, data, "RS256", "client_1")
	with := func(aud any) string { return signWith(t, jose.RS256, k.rsa, "rsa", claims(map[string]any{"aud": aud})) }
	mustAccept(t, entry, with("client_1"))
	mustAccept(t, entry, with([]string{"other", "client_1"}))
	for _, aud := range []any{nil, "", "client_2", "client_10", "CLIENT_1", []string{}, []string{"client_2"}, map[string]any{"client_1": true}, 1} {
		mustRefuse(t, entry, fmt.Sprint("aud ", aud), with(aud))
	}
}

func TestHeadersLeadNowhere(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Write(keySet(t).JWKS())
	}))
	t.Cleanup(srv.Close)
	k := keys()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	payload, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jku", "x5u"} {
		jwt := signRaw(t, k.other, payload, map[jose.HeaderKey]any{jose.HeaderKey(name): srv.URL + "/keys"})
		mustRefuse(t, entry, name+" of a stranger", jwt)
	}
	mustRefuse(t, entry, "a key that the token brings along", embedded(t))
	for _, kid := range []string{"../../etc/passwd", "rsa' OR '1'='1", "rsa\x00", "file:///dev/null", "RSA", strings.Repeat("k", 4000), srv.URL} {
		mustRefuse(t, entry, "kid "+kid[:min(len(kid), 20)], signWith(t, jose.RS256, k.rsa, kid, claims(nil)))
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests went where a header pointed", n)
	}
}

func TestDuplicateMembersAreRefused(t *testing.T) {
	t.Parallel()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	b, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	payload := string(b)
	head := `{"alg":"RS256","kid":"rsa","typ":"JWT"}`
	mustAccept(t, entry, forge(t, head, payload))
	mustRefuse(t, entry, "alg twice", forge(t, `{"alg":"none","alg":"RS256","kid":"rsa"}`, payload))
	mustRefuse(t, entry, "kid twice", forge(t, `{"alg":"RS256","kid":"other","kid":"rsa"}`, payload))
	for _, claim := range []string{`"sub":"user_2"`, `"iss":"x"`, `"exp":1`, `"\u0073ub":"user_2"`} {
		twice := payload[:len(payload)-1] + "," + claim + "}"
		jwt := signRaw(t, keys().rsa, []byte(twice), nil)
		mustRefuse(t, entry, claim+" twice", jwt)
	}
}

func TestOversizedTokensAreRefused(t *testing.T) {
	t.Parallel()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	mustRefuse(t, entry, "a signed token of a megabyte", signWith(t, jose.RS256, keys().rsa, "rsa", claims(map[string]any{"big": strings.Repeat("x", 1<<20)})))
	mustRefuse(t, entry, "a hundred million dots", strings.Repeat(".", 100<<20))
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	mustRefuse(t, entry, "a header that is nested deeply", seg(deep)+"."+seg("{}")+".AA")
}

func TestTimesAreValidated(t *testing.T) {
	t.Parallel()
	k := keys()
	entry := custom(issuer1, dataJWKS(t), "RS256", "")
	now := time.Now().Unix()
	for what, change := range map[string]map[string]any{
		"expired":                {"exp": now - 60},
		"without an end":         {"exp": nil},
		"an end that is no time": {"exp": "9999999999"},
		"an end before all time": {"exp": -1},
		"an end beyond all time": {"exp": 1e300},
		"not yet valid":          {"nbf": now + 3600},
		"a beginning in words":   {"nbf": "now"},
		"issued later than now":  {"iat": now + 3600},
	} {
		mustRefuse(t, entry, what, signWith(t, jose.RS256, k.rsa, "rsa", claims(change)))
	}
}
