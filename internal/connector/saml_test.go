package connector

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// pair is a connection and the identity provider at its other end.
type pair struct {
	sp   *SAML
	idp  *Asserter
	seen map[string]bool
}

// newKey makes a key and its certificate.
func newKey(t testing.TB) *Asserter {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := SelfSigned(key, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &Asserter{EntityID: "https://idp.example.test/metadata", SSOURL: "https://idp.example.test/sso", Key: key, Certificate: cert}
}

// newPair makes both ends know each other by their metadata.
func newPair(t testing.TB) *pair {
	t.Helper()
	idp := newKey(t)
	doc, err := idp.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	facts, err := ParseMetadata(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{idp: idp, seen: map[string]bool{}, sp: &SAML{EntityID: "https://sp.example.test/conn_1", ACS: "https://sp.example.test/acs/conn_1", SLO: "https://sp.example.test/slo/conn_1", IDP: facts}}
}

// come hands a response to the service provider.
func (p *pair) come(form, request string) (*Person, error) {
	return p.sp.Come(form, request, func(id string, _ time.Time) error {
		if p.seen[id] {
			return ErrSeen
		}
		p.seen[id] = true
		return nil
	})
}

// ada is who signs in.
var ada = Person{ID: "ada-1", Email: "ada@example.test", FirstName: "Ada", LastName: "Lovelace", Groups: []string{"engineers", "poets"}}

// assert makes a response for ada.
func (p *pair) assert(t testing.TB, request string, at time.Time) *Posted {
	t.Helper()
	form, err := p.idp.Assert(Asked{ID: request, Issuer: p.sp.EntityID, ACS: p.sp.ACS}, ada, at)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func TestSAMLSignsIn(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	out, err := p.sp.Leave("id-1", "the state", true)
	if err != nil || !strings.HasPrefix(out, "https://idp.example.test/sso?SAMLRequest=") || !strings.Contains(out, "RelayState=the+state") {
		t.Fatalf("leave: %s %v", out, err)
	}
	form := p.assert(t, "id-1", time.Now())
	if got := Answers(form.SAMLResponse); got != "id-1" {
		t.Errorf("answers %q", got)
	}
	got, err := p.come(form.SAMLResponse, "id-1")
	if err != nil {
		t.Fatal(cause(err))
	}
	if got.ID != "ada-1" || got.Email != ada.Email || got.FirstName != "Ada" || got.LastName != "Lovelace" || strings.Join(got.Groups, " ") != "engineers poets" || got.SessionIndex == "" || got.EmailVerified {
		t.Errorf("person: %+v", got)
	}
	if _, err := p.come(p.assert(t, "", time.Now()).SAMLResponse, ""); err != nil {
		t.Errorf("an unsolicited response where one is expected: %v", cause(err))
	}
}

// cause is what a refusal keeps from the caller.
func cause(err error) error {
	if e, ok := apierr.As(err); ok && errors.Unwrap(e) != nil {
		return errors.Unwrap(e)
	}
	return err
}

func TestSAMLRequestsAreSigned(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	own := newKey(t)
	p.sp.Key, p.sp.Certificate, p.sp.SignRequests = own.Key, own.Certificate, true
	doc, err := p.sp.Metadata()
	if err != nil || !strings.Contains(string(doc), p.sp.ACS) || !strings.Contains(string(doc), `use="encryption"`) {
		t.Fatalf("metadata: %s %v", doc, err)
	}
	out, err := p.sp.Leave("id-1", "s", false)
	if err != nil || !strings.Contains(out, "&Signature=") || !strings.Contains(out, "rsa-sha256") {
		t.Errorf("a signed request: %s %v", out, err)
	}
}

func TestSAMLEncryptedAssertionIsRead(t *testing.T) {
	t.Parallel()
	p, own, other := newPair(t), newKey(t), newKey(t)
	p.sp.Key, p.sp.Certificate = own.Key, own.Certificate
	p.idp.EncryptTo = own.Certificate
	form := p.assert(t, "id-1", time.Now()).SAMLResponse
	if d := document(t, form); d.Root().SelectElement("EncryptedAssertion") == nil || d.Root().SelectElement("Assertion") != nil {
		t.Fatal("not encrypted")
	}
	if got, err := p.come(form, "id-1"); err != nil || got.ID != ada.ID {
		t.Fatalf("%+v %v", got, cause(err))
	}
	p.idp.EncryptTo = other.Certificate
	if _, err := p.come(p.assert(t, "id-1", time.Now()).SAMLResponse, "id-1"); err == nil {
		t.Error("read what is encrypted to somebody else")
	}
	// Who encrypts is anybody: only the signature counts.
	p.idp.EncryptTo = own.Certificate
	stranger := *p.idp
	stranger.Key, stranger.Certificate = other.Key, other.Certificate
	q := pair{sp: p.sp, idp: &stranger, seen: p.seen}
	if got, err := q.come(q.assert(t, "id-1", time.Now()).SAMLResponse, "id-1"); err == nil {
		t.Errorf("a stranger's: %+v", got)
	}
}

// document decodes a form for tampering.
func document(t testing.TB, form string) *etree.Document {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(form)
	if err != nil {
		t.Fatal(err)
	}
	d := etree.NewDocument()
	if err := d.ReadFromBytes(b); err != nil {
		t.Fatal(err)
	}
	return d
}

// encoded is the reverse of document.
func encoded(t testing.TB, d *etree.Document) string {
	t.Helper()
	b, err := d.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// rename makes an assertion somebody else's.
func rename(e *etree.Element) {
	for _, n := range e.FindElements(".//NameID") {
		n.SetText("eve")
	}
	for _, v := range e.FindElements(".//AttributeValue") {
		v.SetText("eve@example.test")
	}
}

// unsign takes the signature off an element.
func unsign(e *etree.Element) {
	for _, s := range e.SelectElements("Signature") {
		e.RemoveChild(s)
	}
}

// sign signs an element with a key, in its own place.
func sign(t testing.TB, key *rsa.PrivateKey, cert []byte, e *etree.Element, method string) *etree.Element {
	t.Helper()
	c, err := dsig.NewSigningContext(key, [][]byte{cert})
	if err != nil {
		t.Fatal(err)
	}
	c.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := c.SetSignatureMethod(method); err != nil {
		t.Fatal(err)
	}
	signed, err := c.SignEnveloped(e)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestSAMLAttacksAreRefused tries what has broken service providers before: each
// case starts from an honest response to the pending request.
func TestSAMLAttacksAreRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	stranger := newKey(t)
	assertionOf := func(d *etree.Document) *etree.Element { return d.Root().SelectElement("Assertion") }
	tamper := func(change func(d *etree.Document)) func(testing.TB) string {
		return func(t testing.TB) string {
			d := document(t, p.assert(t, "id-1", time.Now()).SAMLResponse)
			change(d)
			return encoded(t, d)
		}
	}
	// wrap builds the classic wrappings on a response of which only the assertion is
	// signed: evil is an unsigned copy with a new id, kept where place puts it.
	wrap := func(place func(root, honest, evil *etree.Element)) func(testing.TB) string {
		return tamper(func(d *etree.Document) {
			root := d.Root()
			unsign(root)
			honest := assertionOf(d)
			evil := honest.Copy()
			unsign(evil)
			rename(evil)
			evil.CreateAttr("ID", "id-evil")
			place(root, honest, evil)
		})
	}
	edit := func(change func(to *Asked, at *time.Time)) func(testing.TB) string {
		return func(t testing.TB) string {
			to, at := Asked{ID: "id-1", Issuer: p.sp.EntityID, ACS: p.sp.ACS}, time.Now()
			change(&to, &at)
			form, err := p.idp.Assert(to, ada, at)
			if err != nil {
				t.Fatal(err)
			}
			return form.SAMLResponse
		}
	}
	text := func(change func(string) string) func(testing.TB) string {
		return func(t testing.TB) string {
			b, err := base64.StdEncoding.DecodeString(p.assert(t, "id-1", time.Now()).SAMLResponse)
			if err != nil {
				t.Fatal(err)
			}
			return base64.StdEncoding.EncodeToString([]byte(change(string(b))))
		}
	}
	bomb := `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>`
	for name, form := range map[string]func(testing.TB) string{
		"no signature at all":            tamper(func(d *etree.Document) { unsign(d.Root()); unsign(assertionOf(d)) }),
		"changed after signing":          tamper(func(d *etree.Document) { rename(d.Root()) }),
		"changed, only assertion signed": tamper(func(d *etree.Document) { unsign(d.Root()); rename(assertionOf(d)) }),
		"signed by a stranger": tamper(func(d *etree.Document) {
			unsign(d.Root())
			a := assertionOf(d)
			unsign(a)
			rename(a)
			d.Root().RemoveChild(a)
			d.Root().AddChild(sign(t, stranger.Key, stranger.Certificate.Raw, a, dsig.RSASHA256SignatureMethod))
		}),
		"signed with SHA-1": tamper(func(d *etree.Document) {
			unsign(d.Root())
			a := assertionOf(d)
			unsign(a)
			d.Root().RemoveChild(a)
			d.Root().AddChild(sign(t, p.idp.Key, p.idp.Certificate.Raw, a, dsig.RSASHA1SignatureMethod))
		}),
		// The numbers are those of Somorovsky et al., On Breaking SAML (USENIX Security 2012).
		"wrapping 1: evil response around the signed one": tamper(func(d *etree.Document) {
			honest := d.Root()
			evil := honest.Copy()
			unsign(evil)
			rename(evil)
			evil.CreateAttr("ID", "id-evil")
			sig := honest.SelectElement("Signature").Copy()
			sig.AddChild(honest.Copy())
			evil.InsertChildAt(1, sig)
			d.SetRoot(evil)
		}),
		"wrapping 2: the signed response beside its signature": tamper(func(d *etree.Document) {
			honest := d.Root().Copy()
			root := d.Root()
			unsign(honest)
			rename(root)
			root.CreateAttr("ID", "id-evil")
			root.InsertChildAt(1, honest)
		}),
		"wrapping 3: evil assertion before the signed one": wrap(func(root, honest, evil *etree.Element) { root.InsertChildAt(honest.Index(), evil) }),
		"wrapping 4: evil assertion around the signed one": wrap(func(root, honest, evil *etree.Element) {
			root.RemoveChild(honest)
			evil.AddChild(honest)
			root.AddChild(evil)
		}),
		"wrapping 5: evil assertion with the signature, honest after it": wrap(func(root, honest, evil *etree.Element) {
			sig := honest.SelectElement("Signature").Copy()
			unsign(honest)
			evil.InsertChildAt(1, sig)
			root.InsertChildAt(honest.Index(), evil)
		}),
		"wrapping 6: honest inside the signature of the evil one": wrap(func(root, honest, evil *etree.Element) {
			sig := honest.SelectElement("Signature").Copy()
			unsign(honest)
			root.RemoveChild(honest)
			sig.AddChild(honest)
			evil.InsertChildAt(1, sig)
			root.AddChild(evil)
		}),
		"wrapping 7: evil assertion in extensions": wrap(func(root, honest, evil *etree.Element) {
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(evil)
			root.InsertChildAt(honest.Index(), x)
		}),
		"wrapping 8: honest in an object of the signature": wrap(func(root, honest, evil *etree.Element) {
			sig := honest.SelectElement("Signature").Copy()
			unsign(honest)
			root.RemoveChild(honest)
			o := etree.NewElement("ds:Object")
			o.AddChild(honest)
			sig.AddChild(o)
			evil.InsertChildAt(1, sig)
			root.AddChild(evil)
		}),
		"two assertions with one id": wrap(func(root, honest, evil *etree.Element) {
			evil.CreateAttr("ID", honest.SelectAttrValue("ID", ""))
			root.AddChild(evil)
		}),
		"a comment that cuts the name":  text(func(s string) string { return strings.Replace(s, "ada-1", "ada-1<!-- -->.evil", 1) }),
		"a comment in a signed element": text(func(s string) string { return strings.Replace(s, "ada@example.test", "ada@example.test<!---->", 1) }),
		"a processing instruction":      text(func(s string) string { return strings.Replace(s, "ada-1", "ada-1<?x y?>", 1) }),
		"an entity bomb":                text(func(s string) string { return bomb + strings.Replace(s, "ada-1", "&c;", 1) }),
		"an outside entity":             text(func(s string) string { return `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + s }),
		"a second root":                 text(func(s string) string { return s + "<x/>" }),
		"too deep":                      text(func(s string) string { return strings.Repeat("<a>", 100) + s + strings.Repeat("</a>", 100) }),
		"too many elements": text(func(s string) string {
			return strings.Replace(s, "</samlp:Response>", strings.Repeat("<a/>", maxElements)+"</samlp:Response>", 1)
		}),
		"too large":                    text(func(s string) string { return s + strings.Repeat(" ", maxXML) }),
		"no XML":                       func(testing.TB) string { return base64.StdEncoding.EncodeToString([]byte("hello")) },
		"no base64":                    func(testing.TB) string { return "%%%" },
		"for another audience":         edit(func(to *Asked, _ *time.Time) { to.Issuer = "https://sp.example.test/conn_2" }),
		"for another address":          edit(func(to *Asked, _ *time.Time) { to.ACS = "https://evil.example.test/acs" }),
		"in answer to another request": edit(func(to *Asked, _ *time.Time) { to.ID = "id-2" }),
		"in answer to no request":      edit(func(to *Asked, _ *time.Time) { to.ID = "" }),
		"expired":                      edit(func(_ *Asked, at *time.Time) { *at = at.Add(-time.Hour) }),
		"not yet valid":                edit(func(_ *Asked, at *time.Time) { *at = at.Add(time.Hour) }),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.come(form(t), "id-1")
			if err == nil {
				t.Fatalf("let in %+v", got)
			}
			if e, ok := apierr.As(err); !ok || e.Code != "saml_response_rejected" || strings.Contains(e.Message, "ada") {
				t.Errorf("refused with %v", err)
			}
		})
	}
	t.Run("replayed", func(t *testing.T) {
		form := p.assert(t, "id-1", time.Now())
		if _, err := p.come(form.SAMLResponse, "id-1"); err != nil {
			t.Fatal(cause(err))
		}
		if _, err := p.come(form.SAMLResponse, "id-1"); !errors.Is(err, ErrSeen) {
			t.Errorf("a second time: %v", err)
		}
	})
	t.Run("an unsolicited one that answers something", func(t *testing.T) {
		if _, err := p.come(p.assert(t, "id-1", time.Now()).SAMLResponse, ""); err == nil {
			t.Error("let in")
		}
	})
	t.Run("from another identity provider", func(t *testing.T) {
		q := *p
		q.idp = &Asserter{EntityID: "https://evil.example.test/metadata", SSOURL: p.idp.SSOURL, Key: p.idp.Key, Certificate: p.idp.Certificate}
		if _, err := p.come(q.assert(t, "id-1", time.Now()).SAMLResponse, "id-1"); err == nil {
			t.Error("let in")
		}
	})
}

func TestMetadataIsRead(t *testing.T) {
	t.Parallel()
	idp := newKey(t)
	doc, err := idp.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "no XML": "{}", "a document type": "<!DOCTYPE x>" + string(doc),
		"no identity provider":  `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x"/>`,
		"no certificate":        strings.ReplaceAll(string(doc), base64.StdEncoding.EncodeToString(idp.Certificate.Raw), "AAAA"),
		"script for an address": strings.ReplaceAll(string(doc), "https://idp.example.test/sso", "javascript:alert(1)"),
	} {
		if f, err := ParseMetadata([]byte(bad)); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
	many := fmt.Sprintf(`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">%s</EntitiesDescriptor>`, doc[strings.Index(string(doc), "<EntityDescriptor"):])
	if f, err := ParseMetadata([]byte(many)); err != nil || f.EntityID != idp.EntityID {
		t.Errorf("a list of one: %+v %v", f, err)
	}
}

// FuzzSAMLResponse feeds the service provider anything: it must neither panic nor
// let anybody in.
func FuzzSAMLResponse(f *testing.F) {
	p := newPair(f)
	honest := p.assert(f, "id-other", time.Now()).SAMLResponse
	b, _ := base64.StdEncoding.DecodeString(honest)
	f.Add(b)
	f.Add([]byte("<a/>"))
	f.Add([]byte(`<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := p.come(base64.StdEncoding.EncodeToString(b), "id-1"); err == nil {
			t.Fatalf("let in %+v", got)
		}
	})
}

// FuzzMetadata feeds the metadata reader anything.
func FuzzMetadata(f *testing.F) {
	doc, err := newKey(f).Metadata()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Fuzz(func(t *testing.T, b []byte) {
		if facts, err := ParseMetadata(b); err == nil && (facts.EntityID == "" || len(facts.Certificates) == 0 || !IsWeb(facts.SSOURL)) {
			t.Fatalf("took %+v", facts)
		}
	})
}
