package value

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Parse reads one value from Convex-JSON. It is strict: standard JSON in valid
// UTF-8 without lone surrogates, the $integer, $float and $bytes forms only as
// the single member of their object, all limits held. The error is an
// *apierr.Error that says what is wrong and where.
func Parse(json []byte) (Value, error) { return parse(json, form{}) }

// ParseObject is Parse for texts that must be an object.
func ParseObject(json []byte) (Object, error) { return parseObject(json, form{}) }

// ParseOperand is Parse for operands of filters and index ranges, which may also
// be {"$undefined":null}, and hold CommitTS.
func ParseOperand(json []byte) (Value, error) { return parse(json, form{undefined: 1, commitTS: true}) }

// ParseUnresolved is Parse for values that live within the transaction of a
// mutation, and may hold CommitTS there.
func ParseUnresolved(json []byte) (Value, error) { return parse(json, form{commitTS: true}) }

// ParseWritten is ParseObject for documents that are to be written, which may hold CommitTS.
func ParseWritten(json []byte) (Object, error) { return parseObject(json, form{commitTS: true}) }

// ParsePatch is ParseObject for patches, whose members may also be
// {"$undefined":null}: the field is to be removed. They may hold CommitTS.
func ParsePatch(json []byte) (Object, error) {
	return parseObject(json, form{undefined: 2, commitTS: true})
}

// form says which special values a text may hold.
type form struct {
	undefined int  // levels in which {"$undefined":null} may occur, the outermost first
	commitTS  bool // whether {"$commitTs":null} may
}

// parseObject is parse for texts that must be an object.
func parseObject(json []byte, f form) (Object, error) {
	v, err := parse(json, f)
	if err != nil {
		return Object{}, err
	}
	o, ok := v.(Object)
	if !ok {
		return Object{}, bad("InvalidValue", "Expected an object, but found a value of type %s.", v.Kind())
	}
	return o, nil
}

// parse reads a value of a form.
func parse(json []byte, f form) (Value, error) {
	// One copy of the text; strings without escapes share it.
	p := parser{text: string(json), allowed: f}
	if !utf8.ValidString(p.text) {
		return nil, bad("InvalidJson", "The text is not valid UTF-8.")
	}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.text) {
		return nil, p.syntax("unexpected text after the value")
	}
	// A value is at most nine times its text: "1," counts nine bytes.
	if len(json) > MaxValueSize/9 && Size(v) > MaxValueSize {
		return nil, bad("ValueTooLarge", "Value is too large (%s > maximum size %s)", FormatSize(Size(v)), FormatSize(MaxValueSize))
	}
	return v, nil
}

// parser walks over one text.
type parser struct {
	text    string
	pos     int
	allowed form
}

// syntax says that the text is no JSON.
func (p *parser) syntax(what string) *apierr.Error {
	if p.pos >= len(p.text) {
		what = "unexpected end of the text"
	}
	return bad("InvalidJson", "Invalid JSON at byte %d: %s.", p.pos, what)
}

// space skips white space.
func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips white space and takes c if it comes next.
func (p *parser) next(c byte) bool {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// value reads the value at the current position, which is no white space.
func (p *parser) value(depth int) (Value, error) {
	if p.pos >= len(p.text) {
		return nil, p.syntax("")
	}
	switch c := p.text[p.pos]; c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		s, err := p.str()
		if err != nil {
			return nil, err
		}
		return String(s), nil
	case 'n':
		return Null{}, p.word("null")
	case 't':
		return Bool(true), p.word("true")
	case 'f':
		return Bool(false), p.word("false")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return p.number()
		}
		return nil, p.syntax("unexpected character " + strconv.QuoteRune(rune(c)))
	}
}

// word takes a literal name.
func (p *parser) word(w string) error {
	if !strings.HasPrefix(p.text[p.pos:], w) {
		return p.syntax("expected " + w)
	}
	p.pos += len(w)
	return nil
}

// number reads a JSON number, which always is a float.
func (p *parser) number() (Value, error) {
	start := p.pos
	i, s := p.pos, p.text
	if s[i] == '-' {
		i++
	}
	first := i
	var small int64 // value of the integer part while it is short
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		if i-first < 15 {
			small = small*10 + int64(s[i]-'0')
		}
		i++
	}
	if s[start] == '-' && i == first {
		p.pos = i
		return nil, p.syntax("malformed number")
	}
	if s[first] == '0' && i > first+1 {
		return nil, p.syntax("malformed number")
	}
	plain := i-first <= 15
	if i < len(s) && s[i] == '.' {
		plain = false
		i++
		n := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == n {
			p.pos = i
			return nil, p.syntax("malformed number")
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		plain = false
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		n := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == n {
			p.pos = i
			return nil, p.syntax("malformed number")
		}
	}
	p.pos = i
	if plain {
		if s[start] == '-' {
			if small == 0 {
				return Float64(math.Copysign(0, -1)), nil
			}
			return Float64(-small), nil
		}
		return Float64(small), nil
	}
	f, err := strconv.ParseFloat(s[start:i], 64)
	if err != nil {
		return nil, bad("InvalidJson", "Invalid JSON at byte %d: the number %.40s is out of range.", start, s[start:i])
	}
	return Float64(f), nil
}

// array reads an array.
func (p *parser) array(depth int) (Value, error) {
	if depth >= MaxDepth {
		return nil, tooNested()
	}
	p.pos++
	p.space()
	if p.next(']') {
		return Array{}, nil
	}
	var a Array
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if len(a) == MaxArrayLength {
			return nil, bad("ArrayTooLong", "Array length is too long (more than the maximum length %d).", MaxArrayLength)
		}
		a = append(a, v)
		if p.next(',') {
			continue
		}
		if p.next(']') {
			return a, nil
		}
		return nil, p.syntax("expected ',' or ']'")
	}
}

// object reads an object, or the value that a special object stands for.
func (p *parser) object(depth int) (Value, error) {
	if depth >= MaxDepth {
		return nil, tooNested()
	}
	p.pos++
	if p.next('}') {
		return Object{}, nil
	}
	var fields []Field
	var odd error // about a name; it counts unless the object is a special form
	for {
		p.space()
		if p.pos >= len(p.text) || p.text[p.pos] != '"' {
			return nil, p.syntax("expected a field name in quotes")
		}
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		if !p.next(':') {
			return nil, p.syntax("expected ':'")
		}
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if len(fields) == 0 && name != "" && name[0] == '$' && p.next('}') {
			return p.special(name, v, depth)
		}
		if odd == nil {
			odd = CheckFieldName(name)
		}
		if len(fields) == MaxFields {
			return nil, bad("ObjectTooLarge", "Object has too many fields (more than the maximum number %d).", MaxFields)
		}
		fields = append(fields, Field{name, v})
		if p.next(',') {
			continue
		}
		if p.next('}') {
			break
		}
		return nil, p.syntax("expected ',' or '}'")
	}
	if odd != nil {
		return nil, odd
	}
	return sorted(fields), nil
}

// special gives the value that {name: v} stands for, name being one that starts with a dollar sign.
func (p *parser) special(name string, v Value, depth int) (Value, error) {
	text, isText := v.(String)
	switch name {
	case "$integer":
		u, ok := decode64(string(text))
		if !isText || !ok {
			return nil, bad("InvalidValue", "A $integer must be the base64 text of eight bytes.")
		}
		return Int64(u), nil
	case "$float":
		u, ok := decode64(string(text))
		if !isText || !ok {
			return nil, bad("InvalidValue", "A $float must be the base64 text of eight bytes.")
		}
		f := math.Float64frombits(u)
		if !special(f) {
			return nil, bad("InvalidValue", "Float %v should be encoded as a number.", f)
		}
		return Float64(f), nil
	case "$bytes":
		b, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if !isText || err != nil || strings.ContainsAny(string(text), "\r\n") {
			return nil, bad("InvalidValue", "A $bytes must be base64 text with padding.")
		}
		return Bytes(b), nil
	case "$undefined":
		if depth < p.allowed.undefined && v.Kind() == KindNull {
			return Undefined{}, nil
		}
		return nil, bad("InvalidValue", "undefined is not a valid value here.")
	case "$commitTs":
		if p.allowed.commitTS && v.Kind() == KindNull {
			return CommitTS{}, nil
		}
		return nil, bad("InvalidValue", "An unresolved commit timestamp (db.vars.commitTs) is not a valid value here. "+
			"Read the document after the mutation has committed to get its value.")
	case "$set", "$map":
		return nil, bad("InvalidValue", "Sets and maps (%s) are not supported as Convex values any more.", name)
	}
	return nil, CheckFieldName(name)
}

// decode64 reads eight little-endian bytes from base64.
func decode64(s string) (uint64, bool) {
	var b [9]byte
	if len(s) != 12 || strings.ContainsAny(s, "\r\n") {
		return 0, false
	}
	n, err := base64.StdEncoding.Strict().Decode(b[:], []byte(s))
	return binary.LittleEndian.Uint64(b[:]), err == nil && n == 8
}

// tooNested is the refusal of a value nested beyond MaxDepth.
func tooNested() error {
	return bad("TooNested", "Value is too nested (maximum nesting %d)", MaxDepth)
}

// str reads the string that begins at the current quote.
func (p *parser) str() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			s := p.text[start:p.pos]
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.syntax("control character in a string")
		}
		p.pos++
	}
	return "", p.syntax("")
}

// escaped reads the rest of a string from its first backslash on.
func (p *parser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, p.pos-start+32), p.text[start:p.pos]...)
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c < 0x20:
			return "", p.syntax("control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.pos >= len(p.text) {
			break
		}
		c = p.text[p.pos]
		p.pos++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := p.rune()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", p.syntax("unknown escape in a string")
		}
	}
	return "", p.syntax("")
}

// rune reads the four digits after \u, and a second escape if they are the first
// half of a surrogate pair.
func (p *parser) rune() (rune, error) {
	hi, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(hi) {
		return hi, err
	}
	if strings.HasPrefix(p.text[p.pos:], `\u`) {
		p.pos += 2
		lo, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, bad("InvalidValue", "Strings must be valid Unicode: a surrogate at byte %d has no partner.", p.pos)
}

// hex4 reads four hexadecimal digits.
func (p *parser) hex4() (rune, error) {
	if len(p.text)-p.pos < 4 {
		p.pos = len(p.text)
		return 0, p.syntax("")
	}
	var r rune
	for _, c := range []byte(p.text[p.pos : p.pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.syntax("malformed \\u escape")
		}
		r = r<<4 | rune(c)
	}
	p.pos += 4
	return r, nil
}
