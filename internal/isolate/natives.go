package isolate

// #include <stdlib.h>
// #include "binding.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// lentilGoSyscall answers a synchronous request of running JavaScript: a
// Convex.syscall, or (own) one of our shims. It runs on the thread of the
// function, with its stack beneath.
//
//export lentilGoSyscall
func lentilGoSyscall(host C.uintptr_t, own C.int, op *C.char, opn C.size_t, arg *C.char, argn C.size_t,
	body *C.char, bodyn C.size_t, reply *C.lentil_reply) {
	name := string(bytesOf(op, opn))
	var out []byte
	var err error
	kind := C.int(0)
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("isolate: host call %s panicked: %v", name, p)
			}
		}()
		if own != 0 {
			kind = 2
			out, err = shimCall(name, bytesOf(arg, argn), bytesOf(body, bodyn))
			return
		}
		out, err = cgo.Handle(host).Value().(*invocation).syscall(name, bytesOf(arg, argn))
	}()
	if err != nil {
		var t *Throw
		if !errors.As(err, &t) {
			if host != 0 {
				cgo.Handle(host).Value().(*invocation).fail(err)
			}
			reply.status = -1
			return
		}
		reply.status = 1
		reply.data, reply.data_len = cBytes([]byte(t.Message))
		reply.extra, reply.extra_len = cBytes(t.Data)
		return
	}
	reply.status = kind
	reply.data, reply.data_len = cBytes(out)
}

// cBytes copies bytes into memory that C will free.
func cBytes(b []byte) (*C.char, C.size_t) {
	if len(b) == 0 {
		return nil, 0
	}
	return (*C.char)(C.CBytes(b)), C.size_t(len(b))
}

// free releases a buffer that C allocated.
func free(p *C.char) { C.free(unsafe.Pointer(p)) }
