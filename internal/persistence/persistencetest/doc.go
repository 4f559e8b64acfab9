// Package persistencetest is the examination that every persistence.Store
// sits. What it holds a store against is the package comment of persistence;
// it knows nothing of how a store keeps its word.
package persistencetest
