package isolate

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits of the log, runtime §3.8.
const (
	maxLines     = 256
	maxLineBytes = 32768
)

// levels are the names of the log's levels by their number in runtime/console.js.
var levels = [...]string{"DEBUG", "ERROR", "WARN", "INFO", "LOG"}

// request is one asynchronous wish of a program.
type request struct {
	id   uint32
	own  bool // of our shims, not Convex.asyncSyscall
	op   string
	arg  []byte
	body []byte
}

// event is the answer to a request. Status is that of lentil_settle; err ends
// the run.
type event struct {
	id          uint32
	status      int
	data, extra []byte
	err         error
}

// answer turns what a host said into an event.
func answer(id uint32, out []byte, err error) event {
	if err == nil {
		return event{id: id, data: out}
	}
	var t *Throw
	if errors.As(err, &t) {
		return event{id: id, status: 1, data: []byte(t.Message), extra: t.Data}
	}
	return event{id: id, err: err}
}

// requests reads the records a turn left: log lines are printed, requests
// queued.
func (v *invocation) requests(b []byte) {
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 'L':
			if len(b) < 1 {
				return
			}
			level := min(int(b[0]), len(levels)-1)
			var line []byte
			line, b = takeString(b[1:])
			v.print(levels[level], line)
		case 'A', 'H':
			if len(b) < 4 {
				return
			}
			r := request{id: binary.NativeEndian.Uint32(b), own: kind == 'H'}
			var op []byte
			op, b = takeString(b[4:])
			r.arg, b = takeString(b)
			r.body, b = takeString(b)
			r.op = string(op)
			v.queue = append(v.queue, r)
		case 'X':
			if len(b) < 4 {
				return
			}
			v.withdraw(binary.NativeEndian.Uint32(b))
			b = b[4:]
		default:
			return
		}
	}
}

// withdraw drops a request whose answer nobody wants any more.
func (v *invocation) withdraw(id uint32) {
	for i, r := range v.queue {
		if r.id == id {
			v.queue = append(v.queue[:i:i], v.queue[i+1:]...)
			return
		}
	}
	if t := v.timers[id]; t != nil {
		t.Stop()
		delete(v.timers, id)
	}
	delete(v.open, id)
}

// print passes a line to the host, within the limits of the log.
func (v *invocation) print(level string, line []byte) {
	if v.call.Host == nil {
		return
	}
	v.lines++
	switch {
	case v.lines > maxLines:
		return
	case v.lines == maxLines:
		v.call.Host.Print("ERROR", "Log overflow (maximum 256). Remaining log lines omitted.")
		return
	}
	v.call.Host.Print(level, v.program.maps.Places(ClipLine(line)))
}

// ClipLine shortens a line to what the log takes.
func ClipLine(line []byte) string {
	const mark = " (truncated due to length)"
	if len(line) <= maxLineBytes {
		return string(line)
	}
	cut := maxLineBytes - len(mark)
	for cut > 0 && !utf8.RuneStart(line[cut]) {
		cut--
	}
	return strings.ToValidUTF8(string(line[:cut]), "") + mark
}
