package webhook

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON text.
const maxDepth = 200

// errJSON is what is wrong with a text that is no JSON.
var errJSON = errors.New("webhook: not a JSON text")

// canonical rewrites a JSON text as JavaScript prints what it parsed: without white
// space, numbers as Number.toString writes them, members that look like array
// indices first and in their order, of members of one name only the last value (at
// the place of the first), and nothing escaped that need not be (ECMA-262, 25.5.2).
func canonical(text []byte) ([]byte, error) {
	p := &printer{in: text}
	p.space()
	if err := p.value(0); err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(p.in) {
		return nil, errJSON
	}
	return p.out, nil
}

// printer reads JSON and writes it anew.
type printer struct {
	in  []byte
	at  int
	out []byte
}

// space skips white space.
func (p *printer) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek is the next byte; 0 at the end.
func (p *printer) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

// value copies one value.
func (p *printer) value(depth int) error {
	if depth > maxDepth {
		return errJSON
	}
	switch c := p.peek(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		s, err := p.text()
		p.out = appendText(p.out, s)
		return err
	case 't', 'f', 'n':
		for _, w := range []string{"true", "false", "null"} {
			if strings.HasPrefix(string(p.in[p.at:min(len(p.in), p.at+5)]), w) {
				p.at += len(w)
				p.out = append(p.out, w...)
				return nil
			}
		}
		return errJSON
	default:
		return p.number()
	}
}

// array copies an array.
func (p *printer) array(depth int) error {
	p.at++
	p.out = append(p.out, '[')
	for first := true; ; first = false {
		p.space()
		if first && p.peek() == ']' {
			break
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.space()
		if p.peek() == ']' {
			break
		}
		if p.peek() != ',' {
			return errJSON
		}
		p.at++
		p.out = append(p.out, ',')
	}
	p.at++
	p.out = append(p.out, ']')
	return nil
}

// object copies an object, whose members come in JavaScript's order.
func (p *printer) object(depth int) error {
	type member struct {
		name  string
		value []byte
	}
	p.at++
	var members []member
	place := map[string]int{}
	outer := p.out
	for first := true; ; first = false {
		p.space()
		if first && p.peek() == '}' {
			break
		}
		if p.peek() != '"' {
			return errJSON
		}
		name, err := p.text()
		if err != nil {
			return err
		}
		p.space()
		if p.peek() != ':' {
			return errJSON
		}
		p.at++
		p.space()
		p.out = nil
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if i, ok := place[name]; ok {
			members[i].value = p.out
		} else {
			place[name] = len(members)
			members = append(members, member{name, p.out})
		}
		p.space()
		if p.peek() == '}' {
			break
		}
		if p.peek() != ',' {
			return errJSON
		}
		p.at++
	}
	p.at++
	slices.SortStableFunc(members, func(a, b member) int {
		i, aIs := arrayIndex(a.name)
		j, bIs := arrayIndex(b.name)
		switch {
		case aIs && bIs:
			return int(i) - int(j)
		case aIs:
			return -1
		case bIs:
			return 1
		}
		return 0
	})
	p.out = append(outer, '{')
	for i, m := range members {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(appendText(p.out, m.name), ':')
		p.out = append(p.out, m.value...)
	}
	p.out = append(p.out, '}')
	return nil
}

// arrayIndex reports whether a member's name is a canonical array index, a number
// from 0 to 2³²−2 (ECMA-262, 6.1.7).
func arrayIndex(name string) (int64, bool) {
	if len(name) == 0 || len(name) > 10 || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(name, 10, 64)
	return n, err == nil && n <= math.MaxUint32-1
}

// number copies a number.
func (p *printer) number() error {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.peek() >= '0' && p.peek() <= '9' {
			p.at++
		}
		return p.at > from
	}
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else if !digits() {
		return errJSON
	}
	if p.peek() == '.' {
		p.at++
		if !digits() {
			return errJSON
		}
	}
	if p.peek() == 'e' || p.peek() == 'E' {
		p.at++
		if p.peek() == '+' || p.peek() == '-' {
			p.at++
		}
		if !digits() {
			return errJSON
		}
	}
	f, err := strconv.ParseFloat(string(p.in[start:p.at]), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errJSON
	case math.IsInf(f, 0):
		p.out = append(p.out, "null"...) // which is how JavaScript prints its infinity
	case f == 0:
		p.out = append(p.out, '0') // also −0
	default:
		b, err := json.Marshal(f) // which follows Number.toString
		if err != nil {
			return errJSON
		}
		p.out = append(p.out, b...)
	}
	return nil
}

// text reads a string. A surrogate that stands alone is kept in the three bytes that
// UTF-8 would have for it if it allowed that; bytes that are no UTF-8 become U+FFFD,
// as they do when the receiver decodes the body.
func (p *printer) text() (string, error) {
	p.at++
	var b []byte
	for p.at < len(p.in) {
		c := p.in[p.at]
		switch {
		case c == '"':
			p.at++
			return string(b), nil
		case c < 0x20:
			return "", errJSON
		case c == '\\':
			u, err := p.escape()
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(u) {
				if at := p.at; u < 0xdc00 && p.peek() == '\\' && at+1 < len(p.in) && p.in[at+1] == 'u' {
					low, err := p.escape()
					if err != nil {
						return "", err
					}
					if r := utf16.DecodeRune(u, low); r != utf8.RuneError {
						b = utf8.AppendRune(b, r)
						continue
					}
					p.at = at // it is read again by itself
				}
				b = append(b, 0xe0|byte(u>>12), 0x80|byte(u>>6)&0x3f, 0x80|byte(u)&0x3f)
				continue
			}
			b = utf8.AppendRune(b, u)
		default:
			r, n := utf8.DecodeRune(p.in[p.at:])
			p.at += n
			b = utf8.AppendRune(b, r)
		}
	}
	return "", errJSON
}

// escape reads an escape sequence.
func (p *printer) escape() (rune, error) {
	if p.at+1 >= len(p.in) {
		return 0, errJSON
	}
	c := p.in[p.at+1]
	p.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		if p.at+4 > len(p.in) {
			return 0, errJSON
		}
		u, err := strconv.ParseUint(string(p.in[p.at:p.at+4]), 16, 16)
		if err != nil {
			return 0, errJSON
		}
		p.at += 4
		return rune(u), nil
	}
	return 0, errJSON
}

// appendText writes a string as JSON.stringify does.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c == 0xed && i+2 < len(s) && s[i+1] >= 0xa0: // a surrogate, see text
			u := 0xd000 | uint16(s[i+1]&0x3f)<<6 | uint16(s[i+2]&0x3f)
			b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
			i += 2
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
