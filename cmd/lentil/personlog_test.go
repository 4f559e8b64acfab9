package main

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

// TestPersonLog looks at a refusal as the terminal shows it.
func TestPersonLog(t *testing.T) {
	var b strings.Builder
	log := newPersonLog(&b, slog.LevelWarn)
	log.Info("not worth a line")
	log.Warn("refused a page", "origin", "http://localhost:5174",
		"because", "The origin is not registered.", "fix", "Register it:\n  curl -X POST\n  -d '{}'", "look", "lentil doctor --only cors-origin")
	log.With("room", "a b").WithGroup("disk").Error("cannot write", "error", errors.New("no space"), "free", 0)
	log.Warn("said by a stranger \x1b[2J", "because", "an issuer\r\x1b]0;x\aof theirs\nin two lines", "agent", "x\ny")
	got := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `).ReplaceAllString(b.String(), "TIME ")
	want := `TIME warning: refused a page (origin http://localhost:5174)
  The origin is not registered.
  Register it:
    curl -X POST
    -d '{}'
  more: lentil doctor --only cors-origin
TIME error: cannot write (room "a b", disk.error "no space", disk.free 0)
TIME warning: said by a stranger \x1b[2J (agent "x\ny")
  an issuer\r\x1b]0;x\aof theirs
  in two lines
`
	if got != want {
		t.Errorf("the log says:\n%s\nwant:\n%s", got, want)
	}
}
