package convexsync

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// clientMessage is what a client may say: one of connect, authenticate,
// modifyQuerySet, call and telemetry.
type clientMessage interface{ isClientMessage() }

// connect is the first message of every connection.
type connect struct {
	session     string
	maxObserved uint64 // 0 if the client has seen nothing yet
	clientTS    *int64 // its clock in milliseconds
}

// authenticate changes the identity of the connection.
type authenticate struct {
	tokenType   string
	value       string
	baseVersion uint32
	acting      json.RawMessage
}

// modifyQuerySet adds and removes live queries.
type modifyQuerySet struct {
	base, next uint32
	changes    []queryChange
}

// queryChange is one modification of the query set.
type queryChange struct {
	remove bool
	id     uint32
	Query
}

// Query is what to run, as the client named it.
type Query struct {
	Path      string
	Component string
	Args      json.RawMessage
	Journal   *string
}

// call is a mutation or an action.
type call struct {
	action    bool
	requestID uint32
	path      string
	component string
	args      json.RawMessage
}

// telemetry is an Event; nothing is done with it.
type telemetry struct{}

func (connect) isClientMessage()        {}
func (authenticate) isClientMessage()   {}
func (modifyQuerySet) isClientMessage() {}
func (call) isClientMessage()           {}
func (telemetry) isClientMessage()      {}

// envelope holds the members of every client message, so that one pass over the
// text decodes any of them.
type envelope struct {
	Type          string          `json:"type"`
	SessionID     string          `json:"sessionId"`
	MaxObserved   *string         `json:"maxObservedTimestamp"`
	ClientTS      *float64        `json:"clientTs"`
	TokenType     string          `json:"tokenType"`
	Value         string          `json:"value"`
	BaseVersion   *uint32         `json:"baseVersion"`
	NewVersion    *uint32         `json:"newVersion"`
	Impersonating json.RawMessage `json:"impersonating"`
	ActingAs      json.RawMessage `json:"acting_as"`
	Modifications []struct {
		Type      string          `json:"type"`
		QueryID   *uint32         `json:"queryId"`
		Path      string          `json:"udfPath"`
		Args      json.RawMessage `json:"args"`
		Journal   *string         `json:"journal"`
		Component *string         `json:"componentPath"`
	} `json:"modifications"`
	RequestID *uint32         `json:"requestId"`
	Path      string          `json:"udfPath"`
	Args      json.RawMessage `json:"args"`
	Component *string         `json:"componentPath"`
}

// invalid is a message that breaks the protocol; it ends the client for good.
func invalid(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "WSMessageInvalidJson", "Received an invalid sync message: "+format, args...)
}

// decode reads one client message. Unknown members are ignored, as newer
// clients send more; an unknown type is an error.
func decode(b []byte) (clientMessage, error) {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) && typ.Field != "" {
			return nil, invalid("member %q cannot be a JSON %s.", typ.Field, typ.Value)
		}
		return nil, invalid("it is not a JSON object.")
	}
	switch e.Type {
	case "Connect":
		return e.connect()
	case "Authenticate":
		if e.BaseVersion == nil {
			return nil, invalid("Authenticate needs baseVersion.")
		}
		acting := e.Impersonating
		if acting == nil {
			acting = e.ActingAs
		}
		if string(acting) == "null" {
			acting = nil
		}
		return authenticate{tokenType: e.TokenType, value: e.Value, baseVersion: *e.BaseVersion, acting: acting}, nil
	case "ModifyQuerySet":
		return e.modifyQuerySet()
	case "Mutation", "Action":
		if e.RequestID == nil {
			return nil, invalid("%s needs requestId.", e.Type)
		}
		args, err := oneArgument(e.Args)
		if err != nil {
			return nil, err
		}
		return call{action: e.Type == "Action", requestID: *e.RequestID, path: e.Path, component: deref(e.Component), args: args}, nil
	case "Event":
		return telemetry{}, nil
	case "":
		return nil, invalid("it has no type.")
	}
	return nil, invalid("type %q is not known.", clip(e.Type))
}

// connect reads the members of a Connect message.
func (e *envelope) connect() (clientMessage, error) {
	if !isUUID(e.SessionID) {
		return nil, invalid("Connect needs sessionId, a UUID.")
	}
	c := connect{session: e.SessionID}
	if e.MaxObserved != nil {
		ts, err := parseTS(*e.MaxObserved)
		if err != nil {
			return nil, invalid("maxObservedTimestamp is not a base64 timestamp.")
		}
		c.maxObserved = ts
	}
	if e.ClientTS != nil && math.Abs(*e.ClientTS) < 1<<53 {
		ms := int64(*e.ClientTS)
		c.clientTS = &ms
	}
	return c, nil
}

// modifyQuerySet reads the members of a ModifyQuerySet message.
func (e *envelope) modifyQuerySet() (clientMessage, error) {
	if e.BaseVersion == nil || e.NewVersion == nil {
		return nil, invalid("ModifyQuerySet needs baseVersion and newVersion.")
	}
	m := modifyQuerySet{base: *e.BaseVersion, next: *e.NewVersion, changes: make([]queryChange, 0, len(e.Modifications))}
	for _, c := range e.Modifications {
		if c.QueryID == nil {
			return nil, invalid("a modification needs queryId.")
		}
		switch c.Type {
		case "Add":
			args, err := oneArgument(c.Args)
			if err != nil {
				return nil, err
			}
			m.changes = append(m.changes, queryChange{id: *c.QueryID,
				Query: Query{Path: c.Path, Component: deref(c.Component), Args: args, Journal: c.Journal}})
		case "Remove":
			m.changes = append(m.changes, queryChange{id: *c.QueryID, remove: true})
		default:
			return nil, invalid("modification type %q is not known.", clip(c.Type))
		}
	}
	return m, nil
}

// oneArgument checks that args is a list; how many it may hold, and of what, is
// udf's to say in the function's own error.
func oneArgument(args json.RawMessage) (json.RawMessage, error) {
	if len(args) == 0 || string(args) == "null" {
		return json.RawMessage("[{}]"), nil
	}
	if args[0] != '[' {
		return nil, invalid("args must be a list of one object.")
	}
	return args, nil
}

// deref is the string behind a pointer, or "".
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// isUUID tells whether s is a UUID in its usual form.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// parseTS reads a timestamp: 8 bytes little-endian in base64.
func parseTS(s string) (uint64, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("%d bytes", len(b))
	}
	return binary.LittleEndian.Uint64(b), nil
}

// appendTS writes a timestamp as a JSON string.
func appendTS(dst []byte, ts uint64) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], ts)
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b[:])
	return append(dst, '"')
}
