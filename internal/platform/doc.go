// Package platform is the control plane's memory: which deployments a house has
// and which identity environment belongs to which of them.
//
// It is where the two wings are joined on paper. A deployment's row names its
// environment and keeps the API key that is put into the deployment's variables,
// sealed; identity itself keeps only the key's hash. Nothing here speaks HTTP or
// opens stores.
//
// Invariants: a deployment has at most one environment; provisioning writes down
// the ids it is going to use before it uses them, so that a crash at any point is
// repaired by running it again.
package platform
