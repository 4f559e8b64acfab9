package diagnosis

// Kind is what was refused.
type Kind string

// The kinds of things that are refused with an explanation.
const (
	Token       Kind = "token"        // an end user's access token, by a deployment
	Origin      Kind = "origin"       // a page's origin, by the sign-in service
	RedirectURI Kind = "redirect_uri" // the address to return to after a sign-in
)

// Refusal explains one cause of refusals.
type Refusal struct {
	Kind  Kind   `json:"kind"`
	Cause string `json:"cause"` // stable, such as "missing-aud"
	// Check is the id of the doctor's check that looks for the cause in a project.
	Check string `json:"check,omitempty"`
	// Value is what was refused, as far as it is no secret: an issuer, an origin.
	Value string `json:"value"`
	Said  string `json:"said"` // what was refused and why, in one sentence
	Why   string `json:"why"`  // how this comes about
	Fix   string `json:"fix"`  // what to do; lines after the first can be pasted
}

// Look is the command that looks for the cause in a project, or at the token.
func (r *Refusal) Look() string {
	if r.Check == "" {
		return "lentil doctor token"
	}
	return "lentil doctor --only " + r.Check
}

// FirstProvider and SecondProvider are the two entries that the guide asks for in
// the providers of convex/auth.config.ts.
const (
	FirstProvider = `    {
      type: 'customJwt',
      issuer: 'https://api.workos.com/',
      algorithm: 'RS256',
      applicationID: clientId,
      jwks: ` + "`https://api.workos.com/sso/jwks/${clientId}`" + `,
    },`
	SecondProvider = `    {
      type: 'customJwt',
      issuer: ` + "`https://api.workos.com/user_management/${clientId}`" + `,
      algorithm: 'RS256',
      jwks: ` + "`https://api.workos.com/sso/jwks/${clientId}`" + `,
    },`
)

// clip shortens foreign text.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
