package convex

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// protocolVersion is the generation of the protocol in the address of the socket:
// that of the official client whose messages these are (convex-sync.md §1.1).
const protocolVersion = "1.48.0"

// message is what this client says. Members that a type of message does not have
// stay nil.
type message struct {
	Type string `json:"type"`

	SessionID       string  `json:"sessionId,omitempty"`
	ConnectionCount *int    `json:"connectionCount,omitempty"`
	LastCloseReason *string `json:"lastCloseReason,omitempty"`
	MaxObserved     string  `json:"maxObservedTimestamp,omitempty"`
	ClientTS        int64   `json:"clientTs,omitempty"`

	TokenType string `json:"tokenType,omitempty"`
	Value     string `json:"value,omitempty"`

	BaseVersion   *uint32         `json:"baseVersion,omitempty"`
	NewVersion    *uint32         `json:"newVersion,omitempty"`
	Modifications *[]modification `json:"modifications,omitempty"`

	RequestID *uint32           `json:"requestId,omitempty"`
	Path      string            `json:"udfPath,omitempty"`
	Args      []json.RawMessage `json:"args,omitempty"`
}

// modification adds or removes a live query.
type modification struct {
	Type    string            `json:"type"`
	QueryID uint32            `json:"queryId"`
	Path    string            `json:"udfPath,omitempty"`
	Args    []json.RawMessage `json:"args,omitempty"`
	Journal *string           `json:"journal,omitempty"`
}

// answer is what the deployment says.
type answer struct {
	Type string `json:"type"`

	Start   version  `json:"startVersion"`
	End     version  `json:"endVersion"`
	Changes []change `json:"modifications"`

	Chunk      string `json:"chunk"`
	PartNumber int    `json:"partNumber"`
	TotalParts int    `json:"totalParts"`

	RequestID uint32          `json:"requestId"`
	Success   bool            `json:"success"`
	Result    json.RawMessage `json:"result"`
	TS        *timestamp      `json:"ts"`
	Logs      []string        `json:"logLines"`
	Data      json.RawMessage `json:"errorData"`

	Error         string `json:"error"`
	BaseVersion   uint32 `json:"baseVersion"`
	AuthAttempted bool   `json:"authUpdateAttempted"`
}

// version is a moment of a connection.
type version struct {
	QuerySet uint32    `json:"querySet"`
	Identity uint32    `json:"identity"`
	TS       timestamp `json:"ts"`
}

// change is one query's news in a transition.
type change struct {
	Type    string          `json:"type"`
	QueryID uint32          `json:"queryId"`
	Value   json.RawMessage `json:"value"`
	Message string          `json:"errorMessage"`
	Data    json.RawMessage `json:"errorData"`
	Logs    []string        `json:"logLines"`
	Journal *string         `json:"journal"`
}

// timestamp is a commit's time, in the protocol's base64 of eight little-endian bytes.
type timestamp uint64

// UnmarshalJSON is part of json.Unmarshaler.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("convex: timestamp: %w", err)
	}
	if text == nil {
		*t = 0
		return nil
	}
	u, err := eight(*text)
	*t = timestamp(u)
	return err
}

// String is the protocol's form.
func (t timestamp) String() string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, uint64(t)))
}

// maxTransition bounds a transition that comes in parts, in bytes.
const maxTransition = 256 << 20

// chunks puts a transition together that comes in parts (convex-sync.md §3.2).
type chunks struct {
	parts []byte
	next  int
}

// add takes a part; it gives the whole when it was the last.
func (c *chunks) add(a *answer) ([]byte, error) {
	if a.PartNumber != c.next || a.TotalParts <= a.PartNumber || len(c.parts)+len(a.Chunk) > maxTransition {
		return nil, fmt.Errorf("convex: part %d of %d of a transition came after %d", a.PartNumber, a.TotalParts, c.next-1)
	}
	c.parts = append(c.parts, a.Chunk...)
	c.next++
	if c.next < a.TotalParts {
		return nil, nil
	}
	whole := c.parts
	*c = chunks{}
	return whole, nil
}
