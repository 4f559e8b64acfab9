// Package certificatetest has an ACME authority for tests: Pebble, which Let's Encrypt
// made for tests of clients, in this process. It has an authority's rules and none of
// its limits.
package certificatetest
