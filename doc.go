// Package lentil is the root of the tree. It has no code, only the tests that
// concern the tree as a whole: the import plan (layout_test.go) and the list of
// what is supported (supported_test.go). ARCHITECTURE.md is the map.
package lentil
