package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// maxRow bounds one user of a file; a quote that is never closed would make the rest
// of the file one row.
const maxRow = 1 << 20

// peeked is how much of a file is looked at to tell what it is.
const peeked = 64 << 10

// fields are the members of one user of a file by name; those of a CSV are texts.
type fields map[string]any

// rows reads the users of a file one by one.
type rows interface {
	// next gives the next user and the line at which it begins. The error is io.EOF at
	// the end, a badRow for one that cannot be read, after which it goes on, and
	// anything else if the rest of the file cannot be read.
	next() (f fields, line int, err error)
	// columns are the names of the header; nil if there is none.
	columns() []string
}

// badRow is what is wrong with one row.
type badRow struct{ Message string }

// Error is the message.
func (b badRow) Error() string { return b.Message }

// errLong ends a budget.
var errLong = errors.New("a row is longer than 1 MiB; is a quote or a bracket not closed?")

// budget fails when too much is read for one row, and counts lines.
type budget struct {
	r     io.Reader
	left  int
	read  int64
	lines []int64 // ends of lines that were read ahead
	done  int     // lines before these
}

// Read is part of io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.r.Read(p[:min(len(p), 32<<10)])
	for i := range n {
		if p[i] == '\n' {
			b.lines = append(b.lines, b.read+int64(i))
		}
	}
	b.read += int64(n)
	b.left -= n
	return n, err
}

// line is the number of the line in which a place of the file lies; places grow.
func (b *budget) line(at int64) int {
	for len(b.lines) > 0 && b.lines[0] < at {
		b.lines, b.done = b.lines[1:], b.done+1
	}
	return b.done + 1
}

// wrapper recognises an object whose list of users comes first, or after members that
// are texts or numbers.
var wrapper = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*\{\s*(?:"[A-Za-z_]+"\s*:\s*(?:"[^"]*"|[0-9]+)\s*,\s*)*"(?:users|Users|data)"\s*:\s*\[`)
})

// format is how a file is written.
type format string

// The formats.
const (
	formatCSV   format = "csv"
	formatJSON  format = "json"
	formatLines format = "jsonl"
)

// open looks at the beginning of a file and reads it accordingly.
func open(r io.Reader) (rows, format, error) {
	in := bufio.NewReaderSize(r, peeked)
	head, err := in.Peek(peeked)
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return nil, "", err
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		in.Discard(3)
		head = head[3:]
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(text) == 0:
		return nil, "", errors.New("the file is empty")
	case bytes.HasPrefix(text, []byte("PK\x03\x04")):
		return nil, "", errors.New("the file is a zip archive; unpack it, or read an archive of a house with lentil import archive")
	case text[0] == 0x1f || bytes.IndexByte(text[:min(len(text), 512)], 0) >= 0:
		return nil, "", errors.New("the file is not text: CSV and JSON in UTF-8 are understood, compressed files are not")
	case text[0] == '[':
		return openJSON(in, "")
	case text[0] == '{':
		if m := wrapper().Find(text); m != nil {
			in.Discard(len(head) - len(text) + len(m) - 1) // up to the bracket
			return openJSON(in, strings.Repeat("\n", bytes.Count(head[:len(head)-len(text)+len(m)-1], []byte("\n"))))
		}
		line, _, whole := bytes.Cut(text, []byte("\n"))
		if !whole && len(head) < peeked || json.Valid(line) {
			return &lineRows{in: in}, formatLines, nil
		}
		return openJSON(in, "")
	}
	c, err := openCSV(in, head)
	return c, formatCSV, err
}

// lineRows are JSON objects, one a line.
type lineRows struct {
	in   *bufio.Reader
	line int
}

// columns is part of rows.
func (l *lineRows) columns() []string { return nil }

// next is part of rows.
func (l *lineRows) next() (fields, int, error) {
	for {
		var text []byte
		l.line++
		for {
			part, err := l.in.ReadSlice('\n')
			if text = append(text, part...); len(text) > maxRow {
				return nil, l.line, errLong
			}
			if err == io.EOF && len(text) > 0 || err == nil {
				break
			}
			if err != bufio.ErrBufferFull {
				return nil, l.line, err
			}
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		f, err := object(text)
		return f, l.line, err
	}
}

// object reads one user.
func object(text []byte) (fields, error) {
	var f fields
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&f); err != nil || f == nil {
		return nil, badRow{"is not a JSON object"}
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, badRow{"has something behind its JSON object"}
	}
	return f, nil
}

// jsonRows are the objects of a JSON array, or objects one after the other.
type jsonRows struct {
	in    *budget
	dec   *json.Decoder
	array bool
	over  bool
}

// openJSON reads a list whose bracket comes next, or objects. before is what was cut
// off of the file, as far as it counts for lines.
func openJSON(in *bufio.Reader, before string) (rows, format, error) {
	j := &jsonRows{in: &budget{r: in, left: maxRow, done: len(before)}}
	j.dec = json.NewDecoder(j.in)
	j.dec.UseNumber()
	for {
		b, err := in.ReadByte()
		if err != nil {
			return nil, "", errors.New("the file is empty")
		}
		if b == '\n' {
			j.in.done++
		}
		if b == '[' || b == '{' {
			in.UnreadByte()
			if j.array = b == '['; j.array {
				j.dec.Token()
			}
			return j, formatJSON, nil
		}
	}
}

// columns is part of rows.
func (j *jsonRows) columns() []string { return nil }

// next is part of rows.
func (j *jsonRows) next() (fields, int, error) {
	if j.over {
		return nil, 0, io.EOF
	}
	j.in.left = maxRow
	if !j.dec.More() {
		if j.array {
			if _, err := j.dec.Token(); err != nil {
				return nil, j.in.line(j.dec.InputOffset()), broken(err)
			}
		} else if _, err := j.dec.Token(); err != io.EOF {
			return nil, j.in.line(j.dec.InputOffset()), broken(err)
		}
		j.over = true
		return nil, 0, io.EOF
	}
	var text json.RawMessage
	err := j.dec.Decode(&text)
	end := j.dec.InputOffset()
	line := j.in.line(end - int64(len(text)))
	if err == io.EOF && !j.array {
		return nil, line, io.EOF
	}
	if err != nil {
		if at := (*json.SyntaxError)(nil); !errors.As(err, &at) {
			end = j.in.read
		}
		return nil, j.in.line(end + 1), broken(err)
	}
	f, err := object(text)
	return f, line, err
}

// broken says of JSON that it ends or breaks off; a failure of what it is read from
// stays itself.
func broken(err error) error {
	if s := (*json.SyntaxError)(nil); errors.As(err, &s) {
		return fmt.Errorf("the JSON is not right from here on: %s", s.Error())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends in the middle of its JSON")
	}
	if err == nil {
		return errors.New("the JSON is not right from here on")
	}
	return err
}

// csvRows are the rows of a CSV file with a header.
type csvRows struct {
	in     *budget
	csv    *csv.Reader
	header []string
	first  []string // a first row that turned out to be no header
}

// openCSV reads the header. The delimiter is the one of comma, semicolon and tab that
// it has most of.
func openCSV(in io.Reader, head []byte) (rows, error) {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	c := &csvRows{in: &budget{r: in, left: maxRow}}
	c.csv = csv.NewReader(c.in)
	c.csv.FieldsPerRecord, c.csv.ReuseRecord = -1, false
	for _, r := range ";\t" {
		if bytes.Count(first, []byte(string(r))) > bytes.Count(first, []byte(string(c.csv.Comma))) {
			c.csv.Comma = r
		}
	}
	header, err := c.csv.Read()
	if err != nil {
		return nil, c.wrong(err)
	}
	if len(header) >= firebaseColumns && strings.Contains(header[1], "@") { // firebase auth:export writes no header
		c.first, c.header = header, firebaseHeader
		return c, nil
	}
	seen := map[string]bool{}
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if n := plain(name); n != "" && seen[n] {
			return nil, fmt.Errorf("the header names the column %s twice", header[i])
		} else {
			seen[n] = true
		}
	}
	c.header = header
	return c, nil
}

// columns is part of rows.
func (c *csvRows) columns() []string { return c.header }

// wrong says what is wrong with a CSV file.
func (c *csvRows) wrong(err error) error {
	if p := (*csv.ParseError)(nil); errors.As(err, &p) {
		return fmt.Errorf("the CSV is not right: %s", p.Err)
	}
	return err
}

// next is part of rows.
func (c *csvRows) next() (fields, int, error) {
	record, line := c.first, 1
	if c.first = nil; record == nil {
		c.in.left = maxRow
		var err error
		record, err = c.csv.Read()
		if err == io.EOF {
			return nil, 0, io.EOF
		}
		if p := (*csv.ParseError)(nil); errors.As(err, &p) {
			return nil, p.StartLine, c.wrong(err)
		}
		if err != nil {
			return nil, 0, err
		}
		line, _ = c.csv.FieldPos(0)
	}
	if len(record) > len(c.header) {
		return nil, line, badRow{fmt.Sprintf("has %d fields, the header %d", len(record), len(c.header))}
	}
	f := make(fields, len(record))
	for i, v := range record {
		if v = strings.TrimSpace(v); v != "" {
			f[c.header[i]] = v
		}
	}
	return f, line, nil
}
