//go:build unix

package search

import (
	"fmt"
	"os"
	"syscall"
)

// mapFile maps the first n bytes of a file for reading. The kernel keeps them in
// memory as long as there is room.
func mapFile(f *os.File, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || info.Size() < int64(n) {
		return nil, errFile // reading behind the end would be fatal
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("search: map segment: %w", err)
	}
	return b, nil
}

// unmapFile gives it back.
func unmapFile(b []byte) { _ = syscall.Munmap(b) } // fails only for what was never mapped
