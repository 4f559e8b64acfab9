// Package platform is the control plane's memory: teams, projects and their
// deployments; which WorkOS workspace belongs to a team and which identity
// environment to a deployment; who operates the house, and the tokens and keys by
// which they and their programs come in.
//
// It is where the two wings are joined on paper. A deployment's row names its
// environment and keeps the API key that is put into the deployment's variables,
// sealed; identity itself keeps only the key's hash. Nothing here speaks HTTP or
// opens stores: a Fleet, which the server is, runs the deployments.
//
// Invariants: a house has a team, a project and a home deployment from the start;
// names of deployments are unique in the house, slugs of projects in their team; a
// deployment has at most one environment, and no two deployments share one;
// provisioning writes down the ids it is going to use before it uses them, so that
// a crash at any point is repaired by running it again. Tokens and keys are stored
// as hashes and compared by them.
package platform
