package convexsync

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// serverMessage is what the server says. Encoding happens when it is written,
// because a transition carries the time of writing.
type serverMessage interface {
	// appendTo encodes the message; serverTS (ns, 0 for unknown) only concerns transitions.
	appendTo(dst []byte, serverTS int64) []byte
}

// version is where a connection stands.
type version struct {
	querySet, identity uint32
	ts                 uint64
}

// appendTo encodes a version.
func (v version) appendTo(dst []byte) []byte {
	dst = append(dst, `{"querySet":`...)
	dst = strconv.AppendUint(dst, uint64(v.querySet), 10)
	dst = append(dst, `,"identity":`...)
	dst = strconv.AppendUint(dst, uint64(v.identity), 10)
	dst = append(dst, `,"ts":`...)
	dst = appendTS(dst, v.ts)
	return append(dst, '}')
}

// Reply is how a function ended, for the client: a value, or a message.
type Reply struct {
	Value   []byte // Convex-JSON; nil on failure
	Failed  bool
	Message string   // on failure
	Data    []byte   // payload of a ConvexError; nil for any other failure
	Logs    []string // "[LOG] 'x'"
	Journal *string  // queries only
	Hash    [16]byte // queries only: equal hashes need not be sent again
	TS      uint64   // mutations only: commit timestamp
}

// modification is one changed query in a transition.
type modification struct {
	query uint32
	reply *Reply // nil when the query was removed
}

// transition takes a client from one version to the next.
type transition struct {
	start, end version
	changes    []modification
	skew       *int64
}

// size is about how many bytes the encoded transition has, and at least that of
// the values in it.
func (t *transition) size() int {
	n := 256
	for _, c := range t.changes {
		n += 128
		if c.reply != nil {
			n += len(c.reply.Value) + len(c.reply.Data) + len(c.reply.Message)
		}
	}
	return n
}

// appendTo encodes the transition. Values are copied as they are: they were
// encoded once, however many connections they go to.
func (t *transition) appendTo(dst []byte, serverTS int64) []byte {
	dst = slices.Grow(dst, t.size())
	dst = append(dst, `{"type":"Transition","startVersion":`...)
	dst = t.start.appendTo(dst)
	dst = append(dst, `,"endVersion":`...)
	dst = t.end.appendTo(dst)
	dst = append(dst, `,"modifications":[`...)
	for i, c := range t.changes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.appendTo(dst)
	}
	dst = append(dst, `],"clientClockSkew":`...)
	if t.skew != nil {
		dst = strconv.AppendInt(dst, *t.skew, 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"serverTs":`...)
	if serverTS != 0 {
		dst = strconv.AppendInt(dst, serverTS, 10)
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

// appendTo encodes one modification.
func (c modification) appendTo(dst []byte) []byte {
	r := c.reply
	switch {
	case r == nil:
		dst = append(dst, `{"type":"QueryRemoved","queryId":`...)
		dst = strconv.AppendUint(dst, uint64(c.query), 10)
		return append(dst, '}')
	case r.Failed:
		dst = append(dst, `{"type":"QueryFailed","queryId":`...)
		dst = strconv.AppendUint(dst, uint64(c.query), 10)
		dst = append(dst, `,"errorMessage":`...)
		dst = appendString(dst, r.Message)
	default:
		dst = append(dst, `{"type":"QueryUpdated","queryId":`...)
		dst = strconv.AppendUint(dst, uint64(c.query), 10)
		dst = append(dst, `,"value":`...)
		dst = appendValue(dst, r.Value)
	}
	dst = append(dst, `,"logLines":`...)
	dst = appendStrings(dst, r.Logs)
	dst = append(dst, `,"journal":`...)
	if r.Journal != nil {
		dst = appendString(dst, *r.Journal)
	} else {
		dst = append(dst, "null"...)
	}
	return r.appendData(dst)
}

// appendData encodes errorData, which must be absent for ordinary errors: its
// presence makes a ConvexError of them.
func (r *Reply) appendData(dst []byte) []byte {
	if r.Failed && r.Data != nil {
		dst = append(dst, `,"errorData":`...)
		dst = append(dst, r.Data...)
	}
	return append(dst, '}')
}

// response answers a mutation or an action.
type response struct {
	action    bool
	requestID uint32
	reply     *Reply
}

// appendTo encodes the response.
func (r response) appendTo(dst []byte, _ int64) []byte {
	dst = slices.Grow(dst, 160+len(r.reply.Value)+len(r.reply.Message)+len(r.reply.Data))
	if r.action {
		dst = append(dst, `{"type":"ActionResponse","requestId":`...)
	} else {
		dst = append(dst, `{"type":"MutationResponse","requestId":`...)
	}
	dst = strconv.AppendUint(dst, uint64(r.requestID), 10)
	if r.reply.Failed {
		dst = append(dst, `,"success":false,"result":`...)
		dst = appendString(dst, r.reply.Message)
	} else {
		dst = append(dst, `,"success":true,"result":`...)
		dst = appendValue(dst, r.reply.Value)
	}
	switch {
	case r.action:
	case r.reply.Failed:
		dst = append(dst, `,"ts":null`...)
	default:
		dst = append(dst, `,"ts":`...)
		dst = appendTS(dst, r.reply.TS)
	}
	dst = append(dst, `,"logLines":`...)
	dst = appendStrings(dst, r.reply.Logs)
	return r.reply.appendData(dst)
}

// authError says that the identity was refused or has ended.
type authError struct {
	message     string
	baseVersion uint32
	attempted   bool // an Authenticate was refused, rather than a present identity
}

// appendTo encodes the message.
func (a authError) appendTo(dst []byte, _ int64) []byte {
	dst = append(dst, `{"type":"AuthError","error":`...)
	dst = appendString(dst, a.message)
	dst = append(dst, `,"baseVersion":`...)
	dst = strconv.AppendUint(dst, uint64(a.baseVersion), 10)
	dst = append(dst, `,"authUpdateAttempted":`...)
	dst = strconv.AppendBool(dst, a.attempted)
	return append(dst, '}')
}

// fatalError ends the client for good.
type fatalError struct{ message string }

// appendTo encodes the message.
func (f fatalError) appendTo(dst []byte, _ int64) []byte {
	dst = append(dst, `{"type":"FatalError","error":`...)
	return append(appendString(dst, f.message), '}')
}

// ping keeps clients from closing a quiet socket.
type ping struct{}

// appendTo encodes the message.
func (ping) appendTo(dst []byte, _ int64) []byte { return append(dst, `{"type":"Ping"}`...) }

// appendValue copies an encoded value.
func appendValue(dst, v []byte) []byte {
	if len(v) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, v...)
}

// appendStrings encodes a list of strings.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendString encodes a string as JSON.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, _ := json.Marshal(s) // strings always encode
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// maxChunk is the largest part of a transition that is sent at once to clients
// that understand parts (convex-sync.md §3.2).
const maxChunk = 5_000_000

// chunks cuts an encoded transition into TransitionChunk messages, on character
// boundaries. A small one is returned as it is.
func chunks(encoded []byte, limit int) [][]byte {
	if len(encoded) <= limit {
		return [][]byte{encoded}
	}
	var parts [][]byte
	for rest := encoded; len(rest) > 0; {
		n := min(limit, len(rest))
		for n < len(rest) && n > 0 && !utf8.RuneStart(rest[n]) {
			n--
		}
		if n == 0 {
			n = min(limit, len(rest)) // not UTF-8 at all; cannot happen with JSON we made
		}
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	out := make([][]byte, len(parts))
	for i, p := range parts {
		b := make([]byte, 0, len(p)+len(p)/8+128)
		b = append(b, `{"type":"TransitionChunk","chunk":`...)
		b = appendString(b, string(p))
		b = append(b, `,"partNumber":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"totalParts":`...)
		b = strconv.AppendInt(b, int64(len(parts)), 10)
		b = append(b, `,"transitionId":"`...)
		b = strconv.AppendInt(b, int64(len(encoded)), 10)
		out[i] = append(b, `"}`...)
	}
	return out
}
