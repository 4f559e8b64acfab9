package isolate

// The flags must match the build of V8's libraries. V8's headers live in
// another module, where cgo cannot point by itself: CGO_CXXFLAGS names them
// (see `make env`).

/*
#cgo CXXFLAGS: -std=c++20 -fno-rtti -fno-exceptions -fPIC -O2 -Wall -DV8_COMPRESS_POINTERS -DV8_31BIT_SMIS_ON_64BIT_ARCH -DV8_ENABLE_SANDBOX
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"
)

// flags of V8. Garbage is collected on the thread that made it, so that a
// thread lost to a fatal error never holds up a helper thread and memory
// errors strike the thread that caused them. Loop unrolling is off because its
// analysis also removes the checks by which a loop can be stopped, from loops
// that call builtins: for (;;) a.push(new Array(9).fill(7)) never ended.
//
// Collections do not move what is old, because imprints compare objects where
// they were (imprint.cc).
//
// Many an invocation begins in a new context, so optimised code is thrown away
// soon after it is made. Maglev is off because its finished jobs wait for the
// next interrupt of the isolate and keep their contexts alive until then: with
// functions of a few milliseconds contexts piled up until each call collected
// garbage for tens of milliseconds (a page of 20 rows: 100 calls a second, with
// it off 1,100). Long computations reach TurboFan as before.
const flags = "--no-verify-snapshot-checksum --no-profile-guided-optimization --single-threaded-gc " +
	"--no-compact --no-turboshaft-loop-unrolling --no-wasm-loop-unrolling --no-maglev " +
	"--wasm-max-mem-pages=1024 --no-wasm-async-compilation --stack-size=984 --enable-sharedarraybuffer-per-context"

// v8 is the process-wide state of the engine: V8 can be started only once.
var v8 struct {
	once sync.Once
	err  error
	next atomic.Uint64 // ids of isolates

	mu   sync.Mutex
	dead map[uint64]chan struct{} // closed when the isolate's thread is lost
}

// startV8 starts V8, and the goroutine that hears of lost threads, once.
func startV8() error {
	v8.once.Do(func() {
		r, w, err := os.Pipe()
		if err != nil {
			v8.err = fmt.Errorf("isolate: start the engine: %w", err)
			return
		}
		v8.dead = map[uint64]chan struct{}{}
		f := C.CString(flags)
		C.lentil_init(f, C.int(w.Fd()))
		C.free(unsafe.Pointer(f))
		go func() {
			defer w.Close() // keeps the write end alive for the handlers
			var b [8]byte
			for {
				if _, err := io.ReadFull(r, b[:]); err != nil {
					return
				}
				id := binary.NativeEndian.Uint64(b[:])
				v8.mu.Lock()
				if c := v8.dead[id]; c != nil {
					close(c)
					delete(v8.dead, id)
				}
				v8.mu.Unlock()
			}
		}()
	})
	return v8.err
}

// mourn registers an isolate and gives the channel that closes when its thread
// is lost.
func mourn() (id uint64, dead chan struct{}) {
	id, dead = v8.next.Add(1), make(chan struct{})
	v8.mu.Lock()
	v8.dead[id] = dead
	v8.mu.Unlock()
	return id, dead
}

// forget ends what mourn began.
func forget(id uint64) {
	v8.mu.Lock()
	delete(v8.dead, id)
	v8.mu.Unlock()
}

// chars hands bytes to C for the length of a call.
func chars(b []byte) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))), C.size_t(len(b))
}

// bytesOf copies a C buffer.
func bytesOf(p *C.char, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(p), C.int(n))
}

// appendString adds a length and the bytes, the form of every packed list that
// crosses to C.
func appendString(b []byte, s string) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// takeString reads what appendString wrote. A short buffer gives what is there.
func takeString(b []byte) (s, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := int(binary.NativeEndian.Uint32(b))
	b = b[4:]
	n = min(n, len(b))
	return b[:n:n], b[n:]
}

// cWorld turns a world into its C form.
func cWorld(kind Kind, nowMs float64, seed *[32]byte) C.lentil_world {
	w := C.lentil_world{kind: C.int(kind), now: C.double(nowMs)}
	for i, b := range seed {
		w.seed[i] = C.uint8_t(b)
	}
	return w
}
