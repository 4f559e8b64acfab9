package udf

// SyscallCoverage is one line of the syscall table as docs/SUPPORTED.md shows it.
type SyscallCoverage struct {
	Op      string
	Offered bool
	Feature string // what the operation belongs to, where it is not offered
}

// Coverage lists every operation of the library, in the order of the table.
func Coverage() []SyscallCoverage {
	all := make([]SyscallCoverage, 0, len(syscalls))
	for _, s := range syscalls {
		all = append(all, SyscallCoverage{Op: s.op, Offered: s.run != nil, Feature: s.feature})
	}
	return all
}
