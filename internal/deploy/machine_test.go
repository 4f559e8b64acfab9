package deploy

import (
	"strings"
	"testing"
)

// TestMachine walks through transcripts: a state, events and the states after them.
func TestMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, transcript string }{
		{"usual", "started begin pending checked validated finish over"},
		{"mismatch", "started begin pending mismatch failed supersede over"},
		{"written against after the check", "started begin pending checked validated mismatch failed"},
		{"superseded while checking", "started begin pending supersede over"},
		{"superseded before finishing", "started begin pending checked validated supersede over"},
		{"never finished unchecked", "started finish!"},
		{"never finished while checking", "started begin pending finish!"},
		{"never finished after a mismatch", "started begin pending mismatch failed finish!"},
		{"generating code is left alone", "started supersede!"},
		{"begun once", "started begin pending begin!"},
		{"over is over", "over begin!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(c.transcript)
			named := func(w string) state {
				if w == "over" {
					return over
				}
				return state(w)
			}
			s := named(words[0])
			for i := 1; i < len(words); i += 2 {
				e, refused := strings.CutSuffix(words[i], "!")
				next, ok := s.on(event(e))
				if refused {
					if ok {
						t.Fatalf("%s on %s became %q", s, e, next)
					}
					return
				}
				if !ok || next != named(words[i+1]) {
					t.Fatalf("%s on %s: %q, %v; want %s", s, e, next, ok, words[i+1])
				}
				s = next
			}
		})
	}
}
