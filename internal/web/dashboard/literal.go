package dashboard

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// People write values as they do in their code: {name: 'x', n: 12n, at: -Infinity}.
// readLiteral understands that and Convex-JSON, of which JSON is a part; what it
// refuses is what is no value: calls, names of variables, operators.

// maxLiteral bounds what is read, in bytes; a document has at most 1 MiB.
const maxLiteral = 4 << 20

// maxNesting bounds brackets within brackets; values allow fewer (value.Parse).
const maxNesting = 200

// readLiteral reads a value as people write it.
func readLiteral(text string) (value.Value, error) {
	json, err := literalJSON(text)
	if err != nil {
		return nil, err
	}
	return value.Parse(json)
}

// readObject reads an object as people write it; an empty text is an empty object.
func readObject(text string) (value.Object, error) {
	if strings.TrimSpace(text) == "" {
		return value.ObjectOf(), nil
	}
	v, err := readLiteral(text)
	if err != nil {
		return value.Object{}, err
	}
	o, ok := v.(value.Object)
	if !ok {
		return value.Object{}, apierr.New(apierr.BadRequest, "NotAnObject", "An object is expected, as in {name: \"Ada\"}, not %s.", v.Kind())
	}
	return o, nil
}

// literalJSON turns a literal into Convex-JSON.
func literalJSON(text string) ([]byte, error) {
	if len(text) > maxLiteral {
		return nil, apierr.New(apierr.TooLarge, "ValueTooLarge", "The text is longer than %d MB.", maxLiteral>>20)
	}
	r := &literalReader{text: text}
	r.space()
	if err := r.value(0); err != nil {
		return nil, err
	}
	r.space()
	if r.at < len(r.text) {
		return nil, r.wrong("the value ends here; what follows is too much")
	}
	return r.out, nil
}

// literalReader reads one literal.
type literalReader struct {
	text string
	at   int
	out  []byte
}

// wrong says what is wrong, and where.
func (r *literalReader) wrong(format string, args ...any) error {
	before := r.text[:min(r.at, len(r.text))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return apierr.New(apierr.BadRequest, "BadValue", "Line %d, column %d: %s.", line, column, fmt.Sprintf(format, args...))
}

// space passes over blanks and comments.
func (r *literalReader) space() {
	for r.at < len(r.text) {
		rest := r.text[r.at:]
		switch {
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			r.at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return
			}
			r.at += end + 2
		default:
			c, n := utf8.DecodeRuneInString(rest)
			if !unicode.IsSpace(c) && c != 0xfeff {
				return
			}
			r.at += n
		}
	}
}

// peek is the next byte; 0 at the end.
func (r *literalReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *literalReader) value(depth int) error {
	if depth > maxNesting {
		return r.wrong("this is nested too deeply")
	}
	switch c := r.peek(); {
	case c == 0 && r.at >= len(r.text):
		return r.wrong("a value is missing")
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"' || c == '\'' || c == '`':
		s, err := r.quoted(c)
		if err != nil {
			return err
		}
		r.out = value.AppendQuoted(r.out, s)
		return nil
	case c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9':
		return r.number()
	}
	start := r.at
	switch word := r.word(); word {
	case "null", "true", "false":
		r.out = append(r.out, word...)
	case "NaN":
		r.special("$float", 0x7ff8000000000000) // JavaScript's; Go's math.NaN is another
	case "Infinity":
		r.float(math.Inf(1))
	case "undefined":
		r.at = start
		return r.wrong("undefined is no value that can be stored; leave the field out, or write null")
	case "":
		return r.wrong("%q is not the beginning of a value", firstRune(r.text[r.at:]))
	default:
		r.at = start
		return r.wrong("%s is a name, not a value; put text in quotes", clipText(word, 40))
	}
	return nil
}

// firstRune is the first character of a text.
func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// word reads a name of JavaScript; "" if there is none.
func (r *literalReader) word() string {
	start := r.at
	for r.at < len(r.text) {
		c, n := utf8.DecodeRuneInString(r.text[r.at:])
		if c != '_' && c != '$' && !unicode.IsLetter(c) && (r.at == start || !unicode.IsDigit(c)) {
			break
		}
		r.at += n
	}
	return r.text[start:r.at]
}

// float writes a number that JSON has not.
func (r *literalReader) float(f float64) {
	r.special("$float", math.Float64bits(f))
}

func (r *literalReader) special(name string, bits uint64) {
	b := binary.LittleEndian.AppendUint64(nil, bits)
	r.out = append(r.out, `{"`+name+`":"`+base64.StdEncoding.EncodeToString(b)+`"}`...)
}

func (r *literalReader) number() error {
	start := r.at
	negative := false
	if c := r.peek(); c == '-' || c == '+' {
		negative = c == '-'
		r.at++
		r.space()
	}
	if strings.HasPrefix(r.text[r.at:], "Infinity") {
		r.at += len("Infinity")
		r.float(math.Inf(map[bool]int{true: -1, false: 1}[negative]))
		return nil
	}
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		sign := (c == '-' || c == '+') && (r.text[r.at-1] == 'e' || r.text[r.at-1] == 'E') && r.at > from && !strings.HasPrefix(r.text[from:], "0x")
		if c != '.' && c != '_' && !sign && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		r.at++
	}
	digits := strings.ReplaceAll(r.text[from:r.at], "_", "")
	if whole, big64 := strings.CutSuffix(digits, "n"); big64 {
		n, ok := new(big.Int).SetString(whole, 0)
		if !ok {
			r.at = start
			return r.wrong("%s is no number", clipText(digits, 40))
		}
		if negative {
			n.Neg(n)
		}
		if !n.IsInt64() {
			r.at = start
			return r.wrong("%s does not fit into 64 bits", clipText(digits, 40))
		}
		r.special("$integer", uint64(n.Int64()))
		return nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if low := strings.ToLower(digits); strings.HasPrefix(low, "0x") || strings.HasPrefix(low, "0b") || strings.HasPrefix(low, "0o") {
		n, ok := new(big.Int).SetString(low, 0)
		if ok {
			f, _ = new(big.Float).SetInt(n).Float64()
			err = nil
		} else {
			err = strconv.ErrSyntax
		}
	} else if strings.ContainsAny(low, "infax") {
		err = strconv.ErrSyntax // ParseFloat knows more words than JavaScript
	}
	if err != nil && !math.IsInf(f, 0) {
		r.at = start
		return r.wrong("%s is no number", clipText(digits, 40))
	}
	if negative {
		f = -f
	}
	r.out = value.AppendJSON(r.out, value.Float64(f))
	return nil
}

func (r *literalReader) array(depth int) error {
	r.at++
	r.out = append(r.out, '[')
	for n := 0; ; n++ {
		r.space()
		if r.peek() == ']' {
			r.at++
			r.out = append(r.out, ']')
			return nil
		}
		if n > 0 {
			r.out = append(r.out, ',')
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if err := r.separator(']'); err != nil {
			return err
		}
	}
}

// separator passes over a comma, which may be left out before the end.
func (r *literalReader) separator(end byte) error {
	r.space()
	switch c := r.peek(); {
	case c == ',':
		r.at++
	case c == end:
	case r.at >= len(r.text):
		return r.wrong("%q is missing", string(end))
	default:
		return r.wrong("a comma or %q is expected", string(end))
	}
	return nil
}

func (r *literalReader) object(depth int) error {
	r.at++
	r.out = append(r.out, '{')
	for n := 0; ; n++ {
		r.space()
		if r.peek() == '}' {
			r.at++
			r.out = append(r.out, '}')
			return nil
		}
		if n > 0 {
			r.out = append(r.out, ',')
		}
		var name string
		switch c := r.peek(); {
		case c == '"' || c == '\'':
			var err error
			if name, err = r.quoted(c); err != nil {
				return err
			}
		case c >= '0' && c <= '9':
			start := r.at
			for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
				r.at++
			}
			name = r.text[start:r.at]
		default:
			if name = r.word(); name == "" {
				if r.at >= len(r.text) {
					return r.wrong("\"}\" is missing")
				}
				return r.wrong("the name of a field is expected")
			}
		}
		r.out = value.AppendQuoted(r.out, name)
		r.space()
		if r.peek() != ':' {
			return r.wrong("a colon is expected after the field %s", clipText(name, 40))
		}
		r.at++
		r.out = append(r.out, ':')
		r.space()
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if err := r.separator('}'); err != nil {
			return err
		}
	}
}

// quoted reads a text in quotes.
func (r *literalReader) quoted(quote byte) (string, error) {
	start := r.at
	r.at++
	var b strings.Builder
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == quote:
			r.at++
			if !utf8.ValidString(b.String()) {
				return "", r.wrong("the text is not valid Unicode")
			}
			return b.String(), nil
		case c == '\n' && quote != '`':
			r.at = start
			return "", r.wrong("the text that begins here does not end on its line")
		case c == '$' && quote == '`' && strings.HasPrefix(r.text[r.at:], "${"):
			return "", r.wrong("a template's ${…} is no value")
		case c == '\\':
			if err := r.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			r.at++
		}
	}
	r.at = start
	return "", r.wrong("the text that begins here does not end")
}

// escapes are the characters that stand for others after a backslash.
var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'v': "\v", '0': "\x00", '\n': ""}

func (r *literalReader) escape(b *strings.Builder) error {
	r.at++
	c := r.peek()
	switch {
	case r.at >= len(r.text):
		return nil // the loop sees the missing quote
	case c == 'x':
		n, err := r.hex(2)
		if err == nil {
			b.WriteRune(n)
		}
		return err
	case c == 'u':
		n, err := r.hex(4)
		if err != nil {
			return err
		}
		if n >= 0xd800 && n < 0xdc00 && strings.HasPrefix(r.text[r.at:], "\\u") {
			r.at++
			low, err := r.hex(4)
			if err != nil {
				return err
			}
			n = 0x10000 + (n-0xd800)<<10 + (low - 0xdc00)
			if low < 0xdc00 || low > 0xdfff {
				return r.wrong("this is half of a character")
			}
		} else if n >= 0xd800 && n < 0xe000 {
			return r.wrong("this is half of a character")
		}
		b.WriteRune(n)
		return nil
	}
	if s, ok := escapes[c]; ok {
		b.WriteString(s)
	} else {
		b.WriteByte(c)
	}
	r.at++
	return nil
}

// hex reads so many digits after a letter.
func (r *literalReader) hex(n int) (rune, error) {
	r.at++
	if r.peek() == '{' && n == 4 {
		end := strings.IndexByte(r.text[r.at:], '}')
		if end > 1 && end < 8 {
			u, err := strconv.ParseUint(r.text[r.at+1:r.at+end], 16, 32)
			if err == nil && u <= utf8.MaxRune {
				r.at += end + 1
				return rune(u), nil
			}
		}
		return 0, r.wrong("this is no character")
	}
	if r.at+n > len(r.text) {
		return 0, r.wrong("digits are missing")
	}
	u, err := strconv.ParseUint(r.text[r.at:r.at+n], 16, 32)
	if err != nil {
		return 0, r.wrong("these are no hexadecimal digits")
	}
	r.at += n
	return rune(u), nil
}

// clipText shortens a text to n characters.
func clipText(s string, n int) string {
	i := 0
	for at := range s {
		if i == n {
			return s[:at] + "…"
		}
		i++
	}
	return s
}
