// Two issuers besides AuthKit: one that is discovered (OIDC), and one whose keys are written down here.
export default {
  providers: [
    { domain: process.env.OIDC_ISSUER!, applicationID: "members" },
    { type: "customJwt", issuer: "https://internal.example.test", applicationID: "members-api", algorithm: "ES256", jwks: process.env.INTERNAL_JWKS! },
  ],
};
