// Package featureflag keeps an environment's feature flags and says which of them
// are on for whom.
//
// A flag that is not enabled is off for everybody. An enabled one is on for its
// targets (users, organisations, and things that only the application knows) and,
// if its default value says so, for everybody else.
//
// Invariants:
//   - A slug names at most one flag of an environment.
//   - A target of the kinds user and organization existed when it was added.
//   - A user has what is on for the user and what is on for the organisation in
//     question; the claim of an access token and the lists agree.
package featureflag
