//go:build !amd64

package search

// dotRounded is the product of two rounded vectors of the same length.
func dotRounded(a []int16, b []int8) int32 { return dotPortable(a, b) }
