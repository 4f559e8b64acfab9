// Package forward stands between programs that were written for the vendors'
// hosts and a house that answers in their place: a certificate authority for the
// vendors' names, and a forward proxy that takes connections to these names to
// the house and all others to the network.
//
// It knows neither what is asked at a vendor's host nor how it is answered: a
// connection to an own name is handed over unread, TLS and all, and ends in the
// house.
//
// Invariants: the authority can vouch for the names in Hosts and for nothing
// else, whoever holds its key, because the certificate itself says so (RFC 5280
// §4.2.1.10). Its key is computed from the house's secret and never is in a file.
// The proxy answers nobody who does not know its credentials, and every
// connection has a deadline that moves with its progress.
package forward
