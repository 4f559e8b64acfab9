package isolate

// #include "binding.h"
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// ended gives the exception for JavaScript that was terminated.
func (p *Program) ended(why int, heap int64, limit time.Duration) *Exception {
	if why == C.LENTIL_MEMORY {
		return MemoryException(heap)
	}
	return TimeoutException(limit)
}

// loadPointer reads an address that C writes on another thread.
func loadPointer(p **C.lentil_isolate) *C.lentil_isolate {
	return (*C.lentil_isolate)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(p))))
}
