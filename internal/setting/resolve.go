package setting

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Effective is what holds for one setting, and why.
type Effective struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // masked if secret; "" and Set false: the default
	Source string `json:"source"` // "--flag", the variable, file:line, or "default"
	Set    bool   `json:"set"`
	// Default is what holds without it, in words.
	Default string `json:"default,omitempty"`
}

// mask is shown in the place of secrets.
const mask = "********"

// Resolve reads every row from the strongest source that has it; changed says
// whether a flag was given, which has set its row already. File may be nil.
func Resolve(rows []*Row, changed func(flag string) bool, getenv func(string) string, file *File) ([]Effective, error) {
	var problems Problems
	all := make([]Effective, 0, len(rows))
	for _, r := range rows {
		e := Effective{Key: r.Key, Source: "default", Default: r.Default}
		text, set := "", false
		switch {
		case r.Flag != "" && changed(r.Flag):
			e.Source, e.Set, e.Value = "--"+r.Flag, true, r.text
		case r.Variable != "" && getenv(r.Variable) != "":
			e.Source, text, set = r.Variable, getenv(r.Variable), true
		case file != nil:
			if v, ok := file.values[r.Key]; ok {
				e.Source, text, set = fmt.Sprintf("%s:%d", filepath.Base(file.Name), v.line), v.text, true
			}
		}
		if set {
			if err := r.Set(text); err != nil {
				what := err.Error()
				if strings.Contains(e.Source, ":") {
					what = r.Key + ": " + what
				}
				problems = append(problems, Problem{e.Source, what})
			}
			e.Set, e.Value = true, r.text
		}
		if e.Set && r.Secret && e.Value != "" {
			e.Value = mask
		}
		all = append(all, e)
	}
	if len(problems) > 0 {
		return all, problems
	}
	return all, nil
}

// Write writes settings as a file that could be read again, were it not for the
// masks; what nobody set stands there as a comment.
func Write(w io.Writer, all []Effective) error {
	var b strings.Builder
	section := ""
	width := 0
	for _, e := range all {
		width = max(width, min(48, len(line(e))))
	}
	for _, e := range all {
		head, _, nested := strings.Cut(e.Key, ".")
		if !nested {
			head = ""
		}
		if head != section {
			section = head
			if head != "" {
				fmt.Fprintf(&b, "%s:\n", head)
			}
		}
		fmt.Fprintf(&b, "%-*s  # %s\n", width, line(e), e.Source)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line is one setting as it stands in a file.
func line(e Effective) string {
	name, indent := e.Key, ""
	if _, own, nested := strings.Cut(e.Key, "."); nested {
		name, indent = own, "  "
	}
	if !e.Set {
		d := e.Default
		if d == "" {
			d = "none"
		}
		return fmt.Sprintf("%s# %s: %s", indent, name, d)
	}
	return fmt.Sprintf("%s%s: %s", indent, name, quote(e.Value))
}

// quote makes a text a scalar of YAML.
func quote(text string) string {
	plain := text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_:@+") == "" &&
		!strings.HasSuffix(text, ":") && text[0] != '-' && text[0] != ':' && text[0] != '@'
	if plain {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "${", "$${").Replace(text) + `"`
}
