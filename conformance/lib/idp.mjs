// Identity providers written by hand, so that nothing of Lentil's judges itself: OpenID Connect with a page that asks who
// comes, and SAML 2.0 with a signature made by writing the assertion in its canonical form to begin with.
import { createHash, createSign, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { inflateRawSync } from "node:zlib";
import { newKey, token } from "./issuer.mjs";

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** Reads a request's body. */
async function body(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
  }
  return text;
}

/** Serves handlers by "METHOD /path"; gives the address and a way to close. */
async function listen(handlers) {
  const server = createServer(async (request, answer) => {
    const url = new URL(request.url, "http://localhost");
    const handle = handlers[`${request.method} ${url.pathname}`];
    if (!handle) {
      return answer.writeHead(404).end();
    }
    await handle({ query: url.searchParams, form: new URLSearchParams(request.method === "POST" ? await body(request) : ""), request }, answer);
  });
  server.keepAliveTimeout = 0; // or a connection would end just when a request comes by it
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://localhost:${server.address().port}`,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

const json = (answer, value, status = 200) => answer.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
const page = (answer, html) => answer.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(`<!doctype html><title>IdP</title><h1>Corporate sign-in</h1>${html}`);

/**
 * An OpenID Connect provider. `idp.person` is who comes; `idp.claims` overrides claims of the ID token and `idp.signer` the
 * key that it is signed with, to try what must be refused. What it was asked stands in `idp.seen`.
 */
export async function openOIDC({ clientId = "lentil", clientSecret = "a secret of the provider" } = {}) {
  const key = newKey("RS256", "idp-1");
  const idp = { clientId, clientSecret, key, signer: key, claims: {}, seen: [], person: { sub: "p-1", email: "ada@corp.example", email_verified: true, given_name: "Ada", family_name: "Lovelace" } };
  const codes = new Map();
  const server = await listen({
    "GET /.well-known/openid-configuration": (_, answer) =>
      json(answer, {
        issuer: idp.url, authorization_endpoint: `${idp.url}/authorize`, token_endpoint: `${idp.url}/token`, userinfo_endpoint: `${idp.url}/userinfo`, jwks_uri: `${idp.url}/jwks`,
        response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"], authorization_response_iss_parameter_supported: true,
      }),
    "GET /jwks": (_, answer) => json(answer, { keys: [key.jwk] }),
    "GET /authorize": ({ query }, answer) => {
      idp.seen.push(Object.fromEntries(query));
      const code = randomBytes(16).toString("hex");
      codes.set(code, Object.fromEntries(query));
      const back = new URL(query.get("redirect_uri"));
      for (const [name, value] of Object.entries({ code, state: query.get("state"), iss: idp.url })) {
        back.searchParams.set(name, value);
      }
      page(answer, `<a href="${escape(back)}">Be ${escape(idp.person.email)}</a>`);
    },
    "POST /token": ({ form }, answer) => {
      const asked = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const right = asked && form.get("client_id") === clientId && form.get("client_secret") === clientSecret && form.get("redirect_uri") === asked.redirect_uri &&
        createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url") === asked.code_challenge;
      if (!right) {
        return json(answer, { error: "invalid_grant" }, 400);
      }
      const id = token(idp.signer, { iss: idp.url, aud: clientId, nonce: asked.nonce, ...idp.person, ...idp.claims }, idp.ttl ? { ttl: idp.ttl } : {});
      json(answer, { access_token: "at-" + idp.person.sub, refresh_token: "rt-" + idp.person.sub, id_token: id, token_type: "Bearer", expires_in: 3600, scope: "openid email profile" });
    },
    "GET /userinfo": (_, answer) => json(answer, idp.person),
  });
  return Object.assign(idp, server);
}

// DER by hand: node makes keys but no certificates.
const der = (tag, ...parts) => {
  const content = Buffer.concat(parts);
  const length = content.length < 128 ? [content.length] : content.length < 256 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const rsaSHA256 = Buffer.from("300d06092a864886f70d01010b0500", "hex");

/** A self-signed certificate (RFC 5280 §4.1), as base64. */
function certificate({ publicKey, privateKey }) {
  const name = der(0x30, der(0x31, der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from("conformance")))));
  const time = (year) => der(0x17, Buffer.from(`${String(year).slice(2)}0101000000Z`));
  const body = der(0x30, der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, Buffer.from([1])), rsaSHA256, name, der(0x30, time(2020), time(2048)), name, publicKey.export({ format: "der", type: "spki" }));
  const signature = createSign("RSA-SHA256").update(body).sign(privateKey);
  return der(0x30, body, rsaSHA256, der(0x03, Buffer.from([0]), signature)).toString("base64");
}

/**
 * A SAML identity provider. `idp.person` is who comes; `idp.signWith` is the key pair that signs, and `idp.tamper` may change the
 * response after signing. Every element is written in exclusive canonical form: namespaces where they are used first,
 * attributes in order, no empty-element tags, no space between.
 */
export async function openSAML() {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const idp = { pair, signWith: pair, certificate: certificate(pair), tamper: (xml) => xml, person: { id: "p-1", email: "ada@corp.example", firstName: "Ada", lastName: "Lovelace" } };
  const server = await listen({
    "GET /metadata": (_, answer) =>
      answer.writeHead(200, { "Content-Type": "application/samlmetadata+xml" }).end(
        `<?xml version="1.0"?><!-- comments are fine here --><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${idp.url}/metadata"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
          `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${idp.certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` +
          `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${idp.url}/sso"></md:SingleSignOnService></md:IDPSSODescriptor></md:EntityDescriptor>`,
      ),
    "GET /sso": ({ query }, answer) => {
      const asked = inflateRawSync(Buffer.from(query.get("SAMLRequest"), "base64")).toString();
      const attribute = (name) => new RegExp(`${name}="([^"]*)"`).exec(asked)?.[1];
      const response = idp.respond({ id: attribute("ID"), acs: attribute("AssertionConsumerServiceURL"), audience: /Issuer[^>]*>([^<]+)</.exec(asked)[1] });
      page(answer, `<form method="post" action="${escape(attribute("AssertionConsumerServiceURL"))}"><input type="hidden" name="SAMLResponse" value="${response}"><input type="hidden" name="RelayState" value="${escape(query.get("RelayState"))}"><button>Be ${escape(idp.person.email)}</button></form>`);
    },
  });
  idp.respond = ({ id, acs, audience }) => {
    const now = new Date(), iso = (ms) => new Date(now.getTime() + ms).toISOString();
    const assertionID = `_${randomBytes(16).toString("hex")}`, responseID = `_${randomBytes(16).toString("hex")}`, issuer = `${idp.url}/metadata`;
    const values = Object.entries({ email: idp.person.email, firstName: idp.person.firstName, lastName: idp.person.lastName, groups: idp.person.groups })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `<saml:Attribute Name="${name}">${[value].flat().map((v) => `<saml:AttributeValue>${escape(v)}</saml:AttributeValue>`).join("")}</saml:Attribute>`)
      .join("");
    const open = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${assertionID}" IssueInstant="${iso(0)}" Version="2.0">`;
    const head = `<saml:Issuer>${escape(issuer)}</saml:Issuer>`;
    const answers = id ? ` InResponseTo="${id}"` : "";
    const rest =
      `<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${escape(idp.person.id)}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">` +
      `<saml:SubjectConfirmationData${answers} NotOnOrAfter="${iso(300_000)}" Recipient="${escape(acs)}"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>` +
      `<saml:Conditions NotBefore="${iso(-60_000)}" NotOnOrAfter="${iso(300_000)}"><saml:AudienceRestriction><saml:Audience>${escape(audience)}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
      `<saml:AuthnStatement AuthnInstant="${iso(0)}" SessionIndex="s-1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
      `<saml:AttributeStatement>${values}</saml:AttributeStatement></saml:Assertion>`;
    const digest = createHash("sha256").update(open + head + rest).digest("base64");
    const info =
      `<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>` +
      `<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#${assertionID}"><ds:Transforms>` +
      `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>` +
      `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`;
    const value = createSign("RSA-SHA256").update(info).sign(idp.signWith.privateKey).toString("base64");
    const signature = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${info.replace(' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', "")}<ds:SignatureValue>${value}</ds:SignatureValue></ds:Signature>`;
    const xml =
      `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="${escape(acs)}" ID="${responseID}"${answers} IssueInstant="${iso(0)}" Version="2.0">` +
      `<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${escape(issuer)}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>` +
      `${open}${head}${signature}${rest}</samlp:Response>`;
    return Buffer.from(idp.tamper(xml)).toString("base64");
  };
  return Object.assign(idp, server);
}
