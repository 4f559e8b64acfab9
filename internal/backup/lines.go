package backup

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// record is a document as a file has it.
type record struct {
	line   int // where it begins, or its place in an array; from 1
	fields value.Object
}

// reader gives the documents of a file one by one; io.EOF ends them. Its errors
// name the place; those of the sender are *apierr.Error.
type reader interface{ next() (record, error) }

// maxRecord bounds the text of one document: the limit of documents is 1 MiB, and
// escapes may make six characters of one.
const maxRecord = 16 << 20

// fault is an error in a file that is the sender's to repair.
func fault(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "ImportFailed", format, args...)
}

// under says where within an import an error was met.
func under(place string, err error) error {
	if e, ok := apierr.As(err); ok {
		return apierr.New(e.Kind, e.Code, "%s: %s", place, e.Message).Wrap(err)
	}
	return fmt.Errorf("%s: %w", place, err)
}

// document reads the text of one document.
func document(b []byte) (value.Object, error) {
	v, err := value.Parse(b)
	if err != nil {
		return value.Object{}, err
	}
	o, ok := v.(value.Object)
	if !ok {
		return o, fault("it is %s, but a document is an object.", v.Kind())
	}
	return o, nil
}

// jsonLines reads a JSON object a line; empty lines are passed over.
type jsonLines struct {
	r    *bufio.Reader
	line int
}

// newJSONLines reads lines from r.
func newJSONLines(r io.Reader) *jsonLines { return &jsonLines{r: bufio.NewReaderSize(r, 64<<10)} }

// next implements reader.
func (j *jsonLines) next() (record, error) {
	for {
		j.line++
		b, err := j.text()
		if err != nil {
			return record{}, err
		}
		if b = bytes.TrimSpace(b); len(b) == 0 {
			continue
		}
		o, err := document(b)
		if err != nil {
			return record{}, under(fmt.Sprintf("line %d", j.line), err)
		}
		return record{j.line, o}, nil
	}
}

// text reads one line; the last one may lack its end.
func (j *jsonLines) text() ([]byte, error) {
	var long []byte
	for {
		b, err := j.r.ReadSlice('\n')
		switch {
		case len(long)+len(b) <= maxRecord && errors.Is(err, bufio.ErrBufferFull):
			long = append(long, b...)
		case len(long)+len(b) > maxRecord:
			return nil, fault("line %d is longer than %d bytes. Is there one JSON object a line?", j.line, maxRecord)
		case errors.Is(err, io.EOF) && len(long)+len(b) > 0, err == nil:
			if long != nil {
				b = append(long, b...)
			}
			return b, nil
		default:
			return nil, err
		}
	}
}

// jsonArray reads an array of objects.
type jsonArray struct {
	in   *allowance
	d    *json.Decoder
	n    int
	open bool
}

// newJSONArray reads an array from r.
func newJSONArray(r io.Reader) *jsonArray {
	in := &allowance{r: r, left: maxRecord}
	return &jsonArray{in: in, d: json.NewDecoder(in)}
}

// errAllowance ends an allowance.
var errAllowance = errors.New("backup: too much text")

// allowance reads no more than is left of it.
type allowance struct {
	r    io.Reader
	left int
}

// Read reads what is allowed.
func (a *allowance) Read(b []byte) (int, error) {
	if a.left <= 0 {
		return 0, errAllowance
	}
	n, err := a.r.Read(b[:min(len(b), a.left)])
	a.left -= n
	return n, err
}

// next implements reader.
func (j *jsonArray) next() (record, error) {
	if !j.open {
		t, err := j.d.Token()
		if errors.Is(err, io.EOF) {
			return record{}, fault("the file is empty; a JSON array of objects is expected, [] for none.")
		}
		if err != nil {
			return record{}, j.broken(err)
		}
		if t != json.Delim('[') {
			return record{}, fault("the file does not begin with `[`: a JSON array of objects is expected. For one object a line, use the format jsonLines (.jsonl).")
		}
		j.open = true
	}
	if !j.d.More() {
		if _, err := j.d.Token(); err != nil {
			return record{}, j.broken(err)
		}
		if _, err := j.d.Token(); !errors.Is(err, io.EOF) {
			return record{}, fault("there is text after the end of the array.")
		}
		return record{}, io.EOF
	}
	j.n++
	j.in.left = maxRecord
	var raw json.RawMessage
	if err := j.d.Decode(&raw); err != nil {
		return record{}, j.broken(err)
	}
	o, err := document(raw)
	if err != nil {
		return record{}, under(fmt.Sprintf("element %d", j.n), err)
	}
	return record{j.n, o}, nil
}

// broken tells a fault of the text from one of ours.
func (j *jsonArray) broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errAllowance), j.in.left <= 0:
		return fault("element %d is longer than %d bytes.", j.n, maxRecord)
	case errors.As(err, &syntax):
		return fault("element %d, at byte %d: %s.", max(j.n, 1), syntax.Offset, strings.TrimPrefix(syntax.Error(), "json: "))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault("the file ends within the array, after element %d.", j.n)
	}
	return err
}

// csvRows reads rows below a header that names the fields. An entry that reads as a
// number is one; everything else is a string.
type csvRows struct {
	r      *csv.Reader
	header []string
}

// newCSV reads rows from r.
func newCSV(r io.Reader) *csvRows {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	return &csvRows{r: c}
}

// next implements reader.
func (c *csvRows) next() (record, error) {
	if c.header == nil {
		if err := c.begin(); err != nil {
			return record{}, err
		}
	}
	row, err := c.read()
	if err != nil {
		return record{}, err
	}
	line, _ := c.r.FieldPos(0)
	list := make([]value.Field, len(row))
	for i, s := range row {
		if !utf8.ValidString(s) {
			return record{}, fault("line %d: field %s is not valid UTF-8. Save the file as UTF-8.", line, c.header[i])
		}
		list[i] = value.Field{Name: c.header[i], Value: csvValue(c.header[i], s)}
	}
	return record{line, value.ObjectOf(list...)}, nil
}

// begin reads the header.
func (c *csvRows) begin() error {
	row, err := c.read()
	if errors.Is(err, io.EOF) {
		return fault("the file is empty; its first line must name the fields.")
	}
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range row {
		name = strings.TrimSpace(name)
		if err := value.CheckFieldName(name); err != nil {
			return under("line 1", err)
		}
		switch {
		case name == "":
			return fault("line 1: a field has no name. The first line must name every field.")
		case seen[name]:
			return fault("line 1: the field %s is there twice.", name)
		case len(seen) == value.MaxFields:
			return fault("line 1: there are more than %d fields.", value.MaxFields)
		}
		seen[name] = true
		c.header = append(c.header, strings.Clone(name))
	}
	return nil
}

// read reads a row and says what is wrong with it.
func (c *csvRows) read() ([]string, error) {
	row, err := c.r.Read()
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong) && errors.Is(wrong.Err, csv.ErrFieldCount):
		return nil, fault("line %d: the row has %d fields, but the first line names %d.", wrong.Line, len(row), len(c.header))
	case errors.As(err, &wrong):
		return nil, fault("line %d, column %d: %s.", wrong.Line, wrong.Column, wrong.Err)
	}
	return row, err
}

// csvValue is what an entry stands for. Ids are strings, whatever they look like.
func csvValue(name, s string) value.Value {
	if name != "_id" && s != "" && strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }) < 0 {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return value.Float64(f)
		}
	}
	return value.String(strings.Clone(s))
}
