package search

import "golang.org/x/sys/cpu"

// dotAVX2 is dotRounded with AVX2. n is a positive multiple of lanes.
//
//go:noescape
func dotAVX2(a *int16, b *int8, n int) int32

// dotRounded is the product of two rounded vectors of the same length, a
// multiple of lanes. At most 2^12·2^7·2^12 fits in 32 bits (4,096 dimensions).
func dotRounded(a []int16, b []int8) int32 {
	if len(b) == 0 || !cpu.X86.HasAVX2 {
		return dotPortable(a, b)
	}
	return dotAVX2(&a[0], &b[0], len(b))
}
