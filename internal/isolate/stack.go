package isolate

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sourcemap/sourcemap"
)

// sourceMap is a module's map, parsed when the first stack trace needs it.
type sourceMap struct {
	text string
	once sync.Once
	c    *sourcemap.Consumer
}

// source looks a place up. Maps come with a push and may be broken in ways that
// make the library panic.
func (m *sourceMap) source(line, column int) (file string, l, c int, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m.once.Do(func() { m.c, _ = sourcemap.Parse("", []byte(m.text)) })
	if m.c == nil {
		return "", 0, 0, false
	}
	file, _, l, c, ok = m.c.Source(line, column)
	return file, l, c, ok
}

// place is where V8 says a frame is: in a module or one of our shims.
var place = regexp.MustCompile(`(?m)([A-Za-z0-9_\-./:]+\.js):(\d+):(\d+)`)

// shimPrefix marks the script names of our own shims.
const shimPrefix = "lentil:"

// SourceMaps say where the code of modules was written, by path. They are what
// stack traces of this engine and of any other that runs such modules need.
type SourceMaps map[string]*sourceMap

// NewSourceMaps takes the maps of modules; they are parsed when first needed.
func NewSourceMaps(modules []Module) SourceMaps {
	maps := SourceMaps{}
	for _, m := range modules {
		if m.SourceMap != "" {
			maps[m.Path] = &sourceMap{text: m.SourceMap}
		}
	}
	return maps
}

// source maps a place (1-based) to the sources. Lines and columns stay as
// Chrome prints them, 1-based.
func (s SourceMaps) source(path string, line, column int) (string, int, int, bool) {
	m := s[path]
	if m == nil {
		return "", 0, 0, false
	}
	file, l, col, ok := m.source(line, column-1)
	if !ok {
		return "", 0, 0, false
	}
	return file, l, col + 1, true
}

// Places rewrites every place that is in one of the modules.
func (s SourceMaps) Places(text string) string {
	if len(s) == 0 || !strings.Contains(text, ".js:") {
		return text
	}
	return place.ReplaceAllStringFunc(text, func(at string) string {
		m := place.FindStringSubmatch(at)
		line, _ := strconv.Atoi(m[2])
		col, _ := strconv.Atoi(m[3])
		file, l, c, ok := s.source(m[1], line, col)
		if !ok {
			return at
		}
		return fmt.Sprintf("%s:%d:%d", file, l, c)
	})
}

// The bounds of a stack, which programs can write as they like and a person reads.
const (
	maxStack  = 64 << 10
	maxFrames = 100
)

// frames maps the frames of a stack and leaves out those of our shims.
func (s SourceMaps) frames(stack string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(stack[:min(len(stack), maxStack)]) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "    at ") || strings.Contains(line, shimPrefix) ||
			strings.HasSuffix(line, "(<anonymous>)") {
			continue
		}
		if n++; n > maxFrames {
			break
		}
		b.WriteByte('\n')
		b.WriteString(strings.ToValidUTF8(s.Places(line), "")) // the cut may go through a character
	}
	return b.String()
}

// described is what hooks.describe tells of a thrown value.
type described struct {
	Name    string  `json:"name"`
	Message string  `json:"message"`
	Stack   string  `json:"stack"`
	Data    *string `json:"data"`
	Code    string  `json:"code"`
}

// Exception reads the description of a thrown value: JSON, a zero byte, and
// where V8 saw it.
func (s SourceMaps) Exception(text []byte) *Exception {
	body, where, _ := strings.Cut(string(text), "\x00")
	var d described
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		d.Message = body
	}
	x := &Exception{Name: d.Name, Message: d.Message, Code: d.Code}
	switch {
	case d.Name == "":
		x.Text = "Uncaught " + d.Message
	case d.Message == "":
		x.Text = "Uncaught " + d.Name
	default:
		x.Text = "Uncaught " + d.Name + ": " + d.Message
	}
	frames := s.frames(d.Stack)
	if frames == "" && d.Name == "SyntaxError" && where != "" {
		frames = "\n    at " + s.Places(where)
	}
	x.Text += frames
	if d.Data != nil {
		x.Data = []byte(*d.Data)
	}
	return x
}

// missing is the answer to a call of what the modules do not have.
func (p *Program) missing(c *Call, what string) *Exception {
	if x := p.failed[c.Module]; x != nil {
		return x
	}
	return Missing(c, what)
}

// Missing is what a call is told that found no "module", no "export", or else
// an export that is no function of its kind.
func Missing(c *Call, what string) *Exception {
	switch what {
	case "module":
		return developer(Developer, fmt.Sprintf("Couldn't find JavaScript module '%s'", c.Module))
	case "export":
		return developer(Developer, fmt.Sprintf("Couldn't find %q in module %q.", c.Export, c.Module))
	}
	if c.Kind == Action {
		return developer(Developer, fmt.Sprintf("%s:%s is not an action. Did you forget to wrap it with `action`?", c.Module, c.Export))
	}
	return developer(Developer, fmt.Sprintf("%s:%s is neither a query or mutation. Did you forget to wrap it with `query` or `mutation`?", c.Module, c.Export))
}

// developer makes an exception that has no place in the sources.
func developer(cause Cause, message string) *Exception {
	return &Exception{Text: message, Name: "Error", Message: message, Cause: cause}
}

// TimeoutException has the text of runtime §3.9.
func TimeoutException(limit time.Duration) *Exception {
	d := strconv.FormatFloat(limit.Seconds(), 'f', -1, 64) + "s"
	return developer(Timeout, "Function execution timed out (maximum duration: "+d+")")
}

// MemoryException has the text of runtime §3.9.
func MemoryException(limit int64) *Exception {
	return developer(OutOfMemory, fmt.Sprintf("JavaScript execution ran out of memory (maximum memory usage: %d MB)", limit>>20))
}
