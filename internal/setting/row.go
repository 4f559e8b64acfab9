package setting

import (
	"encoding"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Row is one setting: its names, what it means to a person, and where its value
// goes. It is also the value of its flag (pflag.Value).
type Row struct {
	Key      string // in a file, with a dot between section and name
	Flag     string // "" for none
	Short    string // the flag's letter, or ""
	Variable string // of the environment, "" for none
	Default  string // what holds without it, in words
	Help     string
	Secret   bool // never shown; file:PATH is read
	Serve    bool // of no use to a house for development
	// Into is a *string, *[]string, *int, *bool, *time.Duration or an
	// encoding.TextUnmarshaler.
	Into any

	text string // what was set last
}

// Set reads text into the field.
func (r *Row) Set(text string) error {
	if r.Secret {
		var err error
		if text, err = readReference(text); err != nil {
			return err
		}
	}
	if err := parse(r.Into, text); err != nil {
		return err
	}
	r.text = text
	return nil
}

// String is the text that was set last.
func (r *Row) String() string { return r.text }

// Type names the kind of value for the help of flags.
func (r *Row) Type() string {
	switch r.Into.(type) {
	case *int:
		return "int"
	case *bool:
		return "bool"
	case *time.Duration:
		return "duration"
	case *[]string:
		return "strings"
	case interface{ IsPort() }:
		return "int"
	}
	return "string"
}

// parse reads text into a field.
func parse(into any, text string) error {
	switch p := into.(type) {
	case *string:
		*p = text
	case *[]string:
		*p = nil
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				*p = append(*p, s)
			}
		}
	case *int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			*p = true
		case "false", "no", "off", "0", "":
			*p = false
		default:
			return fmt.Errorf("%q is neither true nor false", text)
		}
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("setting: no way to read into %T", into))
	}
	return nil
}

// parseDuration reads 300s, 5m, 1h30m, and days: 7d.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 300s or 5m", text)
	}
	return d, nil
}
