// Package radar judges attempts to sign in: by lists of who is let in or kept out,
// which an environment keeps, and by how often it was tried.
//
// It decides, and others act: applications ask about attempts of their own, and the
// house's sign-in asks Judge before an account is made and before a sign-in ends.
// It does not know where an address lies in the world, so it takes no countries.
//
// Invariants:
//   - Whoever is on a list of allowed is let in, whatever else is true; of the other
//     lists one entry suffices to be kept out.
//   - Entries are stored as they are compared: addresses in their canonical form,
//     domains and mail addresses in lower case.
package radar
