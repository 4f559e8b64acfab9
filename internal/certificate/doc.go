// Package certificate proves to browsers that a host is ours: with certificates
// from files, which are read again when they change, and with certificates that an
// authority gives by ACME (RFC 8555), kept and renewed without anybody's help.
//
// It knows names and certificates. Which names are ours it asks of a policy; what is
// served under them it does not know.
//
// Invariants: a file that cannot be used never replaces one that could; a
// certificate is asked of the authority only for names that the policy allows; what
// the authority gave is sealed at rest.
package certificate
