package isolate

import (
	"context"
	"fmt"
)

// JSHost is a Host that also answers the operations of Convex.jsSyscall, which
// carry bytes: the bodies of HTTP actions ("http/…") and stored files
// ("storage/…"), as runtime/host.js asks for them in actions.
type JSHost interface {
	// JSSyscall answers with JSON text, or with bytes if raw is set; both nil is undefined.
	// Several calls may run at once.
	JSSyscall(ctx context.Context, op string, args, body []byte) (text, raw []byte, err error)
}

// jsSyscall passes an operation of runtime/host.js to the host.
func (v *invocation) jsSyscall(r request) (e event) {
	h, ok := v.call.Host.(JSHost)
	if !ok {
		return answer(r.id, nil, &Throw{Message: "Unknown operation " + r.op})
	}
	defer func() {
		if p := recover(); p != nil {
			e = answer(r.id, nil, fmt.Errorf("isolate: host call %s panicked: %v", r.op, p))
		}
	}()
	text, raw, err := h.JSSyscall(v.ctx, r.op, r.arg, r.body)
	switch {
	case err != nil:
		return answer(r.id, nil, err)
	case raw != nil:
		return event{id: r.id, status: 2, data: raw}
	case text == nil:
		return event{id: r.id, status: 3}
	}
	return event{id: r.id, data: text}
}

// HTTPRouter is the module whose default export routes HTTP actions.
const HTTPRouter = "http.js"

// HTTP is the call that has the router of HTTPRouter answer a request, given as the
// library's JSON, at a path. Its value is "none" if no route matches, else "done".
func HTTP(request, path string) Call {
	return Call{Kind: Action, Method: "http", Args: []string{request, path}}
}
