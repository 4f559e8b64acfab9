package node

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Bounds of what a process may send in one frame: heads are small, bodies are
// arguments, results and files.
const (
	maxHead = 1 << 20
	maxBody = 64 << 20
)

// head is the head of a frame in either direction; T says which members count.
type head struct {
	T string `json:"t"`

	// From a process.
	ID        uint32   `json:"id,omitempty"`   // of a request
	Op        string   `json:"op,omitempty"`   // "async", "sync", "js"
	Args      string   `json:"args,omitempty"` // "js"
	Level     int      `json:"level,omitempty"`
	What      string   `json:"what,omitempty"` // "missing": "export" or "method"
	Code      int      `json:"code,omitempty"` // "left"
	Fatal     bool     `json:"fatal,omitempty"`
	Dirty     bool     `json:"dirty,omitempty"`
	Settling  bool     `json:"settling,omitempty"` // "settled" tells later whether it is dirty
	Unawaited []string `json:"unawaited,omitempty"`

	// To a process.
	Kind    string          `json:"kind,omitempty"` // "reply": "raw", "none" or "" for text
	Error   *string         `json:"error,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Modules []string        `json:"modules,omitempty"` // "inspect"
}

// runHead asks for one action.
type runHead struct {
	T      string   `json:"t"`
	Module string   `json:"module"`
	Export string   `json:"export"`
	Method string   `json:"method"`
	Args   []string `json:"args"`
}

// programHead tells a process what it is for.
type programHead struct {
	T       string            `json:"t"`
	Dir     dirHead           `json:"dir"`
	Env     map[string]string `json:"env"`
	Console string            `json:"console"`
	Inspect string            `json:"inspect"`
}

// dirHead is a folder in both spellings, with a slash at the end.
type dirHead struct {
	URL  string `json:"url"`
	Path string `json:"path"`
}

// writeFrame sends a head and a body. The body is not copied.
func writeFrame(w io.Writer, h any, body []byte) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("node: write frame: %w", err)
	}
	b := make([]byte, 8, 8+len(text))
	binary.LittleEndian.PutUint32(b, uint32(len(text)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	b = append(b, text...)
	if len(body) < 64<<10 {
		b, body = append(b, body...), nil
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if len(body) > 0 {
		_, err = w.Write(body)
	}
	return err
}

// readFrame takes the next frame; io.EOF at a clean end.
func readFrame(r io.Reader) (head, []byte, error) {
	var h head
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return h, nil, err
	}
	n, m := binary.LittleEndian.Uint32(lengths[:]), binary.LittleEndian.Uint32(lengths[4:])
	if n > maxHead || m > maxBody {
		return h, nil, fmt.Errorf("node: a frame of %d and %d bytes is too large", n, m)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, nil, broken(err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, nil, fmt.Errorf("node: read frame: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(m))) // grows with what comes, not with what was announced
	if err == nil && len(body) < int(m) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return h, nil, err
	}
	return h, body, nil
}

// broken makes an end within a frame an error.
func broken(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
