package projectfile

import (
	"bytes"
	"regexp"
	"strings"
)

// Dotenv is the text of a .env file, cut into pieces that together are the file
// byte for byte, so that a change to one variable cannot touch another line.
type Dotenv struct {
	pieces []piece
	eol    string // line ending for lines that we add
}

// piece is one assignment, which may span lines when its value is quoted, or one
// line of anything else. text includes the line ending.
type piece struct {
	text  string
	name  string // "" for comments, blank lines and what no .env reader understands
	value string
	// The value stands in text[from:to], quotes included.
	from, to int
}

// assignment is how the dotenv package begins a line: an optional "export", a
// name, "=" or ": ".
var assignment = regexp.MustCompile(`^\s*(?:export\s+)?([\w.-]+)(?:[ \t]*=[ \t]*|:[ \t]+)`)

// ParseDotenv never fails: a line that it cannot read is kept as it is.
func ParseDotenv(src []byte) *Dotenv {
	text := string(src)
	d := &Dotenv{eol: "\n"}
	if n := strings.Count(text, "\r\n"); n > 0 && 2*n >= strings.Count(text, "\n") {
		d.eol = "\r\n"
	}
	const bom = "\ufeff"
	if strings.HasPrefix(text, bom) {
		d.pieces = append(d.pieces, piece{text: bom})
		text = text[len(bom):]
	}
	for text != "" {
		p := firstPiece(text)
		d.pieces = append(d.pieces, p)
		text = text[len(p.text):]
	}
	return d
}

// firstPiece cuts the first piece off text, which is not empty.
func firstPiece(text string) piece {
	line := text
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		line = text[:i+1]
	}
	body := strings.TrimRight(line, "\r\n")
	m := assignment.FindStringSubmatchIndex(body)
	if m == nil {
		return piece{text: line}
	}
	p := piece{text: line, name: body[m[2]:m[3]], from: m[1], to: m[1]}
	if m[1] < len(body) && strings.IndexByte("\"'`", body[m[1]]) >= 0 {
		if end := closingQuote(text, m[1]); end > 0 {
			rest := text[end+1:]
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				rest = rest[:i+1]
			}
			// Quotes quote only when nothing but a comment follows them.
			if after := strings.TrimSpace(rest); after == "" || after[0] == '#' {
				p.text, p.to = text[:end+1+len(rest)], end+1
				p.value = text[m[1]+1 : end]
				if text[m[1]] == '"' {
					p.value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(p.value)
				}
				return p
			}
		}
	}
	raw := body[m[1]:]
	if i := strings.IndexByte(raw, '#'); i >= 0 {
		raw = raw[:i]
	}
	p.value = strings.TrimSpace(raw)
	p.to = p.from + len(strings.TrimRight(raw, " \t\r"))
	return p
}

// closingQuote is the index of the quote that ends the value beginning at open,
// which may be on a later line; -1 when there is none.
func closingQuote(text string, open int) int {
	for i := open + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[open]:
			return i
		}
	}
	return -1
}

// Get is the value that a .env reader would see: the last assignment wins.
func (d *Dotenv) Get(name string) (string, bool) {
	for i := len(d.pieces) - 1; i >= 0; i-- {
		if d.pieces[i].name == name {
			return d.pieces[i].value, true
		}
	}
	return "", false
}

// Set gives every assignment of name the value, keeping what stands around it
// on the line, or adds a line at the end.
func (d *Dotenv) Set(name, value string) {
	found := false
	for i, p := range d.pieces {
		if p.name != name {
			continue
		}
		q := quoteDotenv(value)
		d.pieces[i].text = p.text[:p.from] + q + p.text[p.to:]
		d.pieces[i].value, d.pieces[i].to = value, p.from+len(q)
		found = true
	}
	if !found {
		head := name + "="
		q := quoteDotenv(value)
		d.addLine(piece{text: head + q, name: name, value: value, from: len(head), to: len(head) + len(q)})
	}
}

// Comment adds a comment line at the end, after a blank one if something is
// already there.
func (d *Dotenv) Comment(text string) {
	if len(d.Bytes()) > 0 {
		d.addLine(piece{})
	}
	d.addLine(piece{text: "# " + text})
}

// addLine appends one line, ending the last one first if it has no ending.
func (d *Dotenv) addLine(p piece) {
	if n := len(d.pieces); n > 0 {
		last := &d.pieces[n-1]
		if last.text != "" && last.text != "\ufeff" && !strings.HasSuffix(last.text, "\n") {
			last.text += d.eol
		}
	}
	p.text += d.eol
	d.pieces = append(d.pieces, p)
}

// Bytes is the file.
func (d *Dotenv) Bytes() []byte {
	var b bytes.Buffer
	for _, p := range d.pieces {
		b.WriteString(p.text)
	}
	return b.Bytes()
}

// plainValue matches values that every .env reader and every shell takes as they are.
var plainValue = regexp.MustCompile(`^[\w./:@%+,=-]*$`)

// quoteDotenv writes value so that dotenv, dotenv-expand and a sourcing shell read
// the same. Our own values are URLs, ids and keys: nothing in them needs an escape,
// and a value that holds a double quote is put in single ones.
func quoteDotenv(value string) string {
	switch {
	case plainValue.MatchString(value):
		return value
	case !strings.ContainsAny(value, "\"$`\\\n"):
		return `"` + value + `"`
	default:
		return `'` + strings.ReplaceAll(value, "'", "") + `'`
	}
}

// Below collects the assignments that follow the comment directly.
func (d *Dotenv) Below(comment string) map[string]string {
	found := map[string]string{}
	ours := false
	for _, p := range d.pieces {
		switch {
		case strings.TrimSpace(p.text) == "# "+comment:
			ours = true
		case p.name == "":
			ours = false
		case ours:
			found[p.name] = p.value
		}
	}
	return found
}

// Assignment is one variable of a .env file and the line, from 1, where it stands.
type Assignment struct {
	Name, Value string
	Line        int
}

// Assignments are the file's variables in order; of two with one name the last wins.
func (d *Dotenv) Assignments() []Assignment {
	var list []Assignment
	line := 1
	for _, p := range d.pieces {
		if p.name != "" {
			list = append(list, Assignment{p.name, p.value, line})
		}
		line += strings.Count(p.text, "\n")
	}
	return list
}

// Rename gives every assignment of a name another one and leaves the rest of the
// line as it is.
func (d *Dotenv) Rename(name, to string) {
	for i, p := range d.pieces {
		if p.name != name {
			continue
		}
		at := strings.Index(p.text, name)
		d.pieces[i].text = p.text[:at] + to + p.text[at+len(name):]
		d.pieces[i].name = to
		d.pieces[i].from += len(to) - len(name)
		d.pieces[i].to += len(to) - len(name)
	}
}
