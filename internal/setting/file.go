package setting

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// MaxFile bounds a file of settings, and one that a file:PATH names.
const MaxFile = 1 << 20

// maxDepth bounds sections within sections; keys that we know have two parts.
const maxDepth = 4

// File is what a file says.
type File struct {
	Name   string
	values map[string]entry
}

// entry is the text of one key.
type entry struct {
	text string
	line int
}

// Problem is one thing that is wrong, for a person.
type Problem struct {
	Where string // file:line, the variable, or the flag
	Text  string
}

// Error is one line.
func (p Problem) Error() string { return p.Where + ": " + p.Text }

// Problems are all that is wrong: who mends a file wants to see everything at once.
type Problems []Problem

// Error is all of them, each in a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Open reads the file of that name; rows are the keys it may have.
func Open(name string, rows []*Row, getenv func(string) string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s is longer than %d bytes", name, MaxFile)
	}
	file, problems := Read(name, text, rows, getenv)
	if len(problems) > 0 {
		return nil, problems
	}
	return file, nil
}

// Read reads the text of a file.
func Read(name string, text []byte, rows []*Row, getenv func(string) string) (*File, Problems) {
	r := reader{name: filepath.Base(name), keys: map[string]bool{}, sections: map[string]bool{}, getenv: getenv, out: map[string]entry{}}
	for _, row := range rows {
		r.keys[row.Key] = true
		for i, c := range row.Key {
			if c == '.' {
				r.sections[row.Key[:i]] = true
			}
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // nothing is said
	case err != nil:
		return nil, Problems{{r.name, strings.TrimPrefix(err.Error(), "yaml: ")}}
	default:
		r.section(doc.Content[0], "", 0)
		if d.Decode(new(yaml.Node)) != io.EOF {
			r.problem(&doc, "there is a second document after this one (a line with ---); a file of settings has one")
		}
	}
	return &File{Name: name, values: r.out}, r.problems
}

// reader goes through a file.
type reader struct {
	name           string
	keys, sections map[string]bool
	getenv         func(string) string
	out            map[string]entry
	problems       Problems
}

// problem notes what is wrong at a node.
func (r *reader) problem(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{fmt.Sprintf("%s:%d", r.name, n.Line), fmt.Sprintf(format, args...)})
}

// section reads a mapping whose keys begin with prefix.
func (r *reader) section(n *yaml.Node, prefix string, depth int) {
	if n.Kind == yaml.AliasNode {
		r.problem(n, "aliases (*%s) are not understood here; write the value again", n.Value)
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a heading with nothing under it yet
	}
	if n.Kind != yaml.MappingNode || depth > maxDepth {
		what := "the file"
		if prefix != "" {
			what = strings.TrimSuffix(prefix, ".")
		}
		r.problem(n, "%s must hold keys with values, as in \"key: value\"", what)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		switch {
		case r.keys[key]:
			if before, twice := r.out[key]; twice {
				r.problem(k, "%s was said before, in line %d", key, before.line)
				continue
			}
			if text, ok := r.value(key, v); ok {
				r.out[key] = entry{text, k.Line}
			}
		case r.sections[key]:
			r.section(v, key+".", depth+1)
		default:
			hint := ""
			if near := nearest(key, r.keys, r.sections); near != "" {
				hint = fmt.Sprintf("; do you mean %s?", near)
			}
			r.problem(k, "there is no setting %s%s", key, hint)
		}
	}
}

// value is the text of a scalar, or of a list with commas between.
func (r *reader) value(key string, n *yaml.Node) (string, bool) {
	switch {
	case n.Kind == yaml.SequenceNode:
		var parts []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				r.problem(item, "%s is a list of plain values", key)
				return "", false
			}
			text, ok := r.value(key, item)
			if !ok {
				return "", false
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ","), true
	case n.Kind != yaml.ScalarNode:
		r.problem(n, "%s is a plain value, not a section", key)
		return "", false
	case n.Tag == "!!null":
		r.problem(n, "%s has no value; leave the line out for the default", key)
		return "", false
	}
	text, err := expand(n.Value, r.getenv)
	if err != nil {
		r.problem(n, "%s: %v", key, err)
		return "", false
	}
	return text, true
}

// expand puts the environment's variables in the place of ${NAME}.
func expand(text string, getenv func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), nil
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(literal + "${")
			text = rest
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("${ has no closing }; write $${ for the characters themselves")
		}
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("the variable %q is not set", name)
		}
		b.WriteString(before + value)
		text = after
	}
}

// readReference is the text, or what the file holds that it names.
func readReference(text string) (string, error) {
	name, ok := strings.CutPrefix(text, "file:")
	if !ok {
		return text, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return secret, nil
}
