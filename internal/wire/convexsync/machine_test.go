package convexsync

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

var rewrite = flag.Bool("update", false, "rewrite the transcripts in testdata")

// player plays a transcript against a machine. Lines are
//
//	# comment
//	> a client's message
//	! an input of the shell: verified NAME [EXP], refused KIND CODE text, done ID JSON, invalidated,
//	  begin, computed TS ID=JSON …, failed, retry, written, at SECONDS
//	< what the server sends
//	~ any other effect
//
// Timestamps are written @N in place of their base64 form.
type player struct {
	m      Machine
	now    time.Time
	latest uint64
	runs   map[string]Run
	due    Due
	out    []string
}

var (
	tsShort = regexp.MustCompile(`"@(\d+)"`)
	tsLong  = regexp.MustCompile(`"(ts|maxObservedTimestamp)":"([A-Za-z0-9+/]{11}=)"`)
)

// expand turns @N into the wire's timestamp.
func expand(s string) string {
	return tsShort.ReplaceAllStringFunc(s, func(x string) string {
		var n uint64
		fmt.Sscanf(x, `"@%d"`, &n)
		return string(appendTS(nil, n))
	})
}

// shorten is the inverse of expand.
func shorten(s string) string {
	return tsLong.ReplaceAllStringFunc(s, func(x string) string {
		p := tsLong.FindStringSubmatch(x)
		n, _ := parseTS(p[2])
		return fmt.Sprintf(`"%s":"@%d"`, p[1], n)
	})
}

// step plays one input line.
func (p *player) step(line string) error {
	kind, rest := line[:1], strings.TrimSpace(line[1:])
	if kind == ">" {
		p.do(p.m.Received([]byte(expand(rest)), p.now, p.latest))
		return nil
	}
	word, rest, _ := strings.Cut(rest, " ")
	switch word {
	case "at":
		var s int64
		fmt.Sscan(rest, &s)
		p.now = time.Unix(s, 0)
	case "verified":
		var name string
		var exp int64
		fmt.Sscan(rest, &name, &exp)
		c := token.Caller{}
		if name != "nobody" {
			c = token.Caller{Role: token.User, Claims: &token.Claims{Subject: name, Attributes: json.RawMessage(`{}`)}}
			if exp != 0 {
				c.Claims.Expires = time.Unix(exp, 0)
			}
		}
		p.do(p.m.Authenticated(c, nil))
	case "carried": // NAME EXP ROLE, of the present caller
		var name, role string
		var exp int64
		fmt.Sscan(rest, &name, &exp, &role)
		p.do(p.m.Carried(p.m.Caller(), token.Caller{Role: token.User, Claims: &token.Claims{
			Subject: name, Attributes: json.RawMessage(`{` + role + `}`), Expires: time.Unix(exp, 0),
		}}, nil))
	case "carried-late": // for a caller that is no more
		p.do(p.m.Carried(token.Caller{Role: token.User, Claims: &token.Claims{}}, token.Caller{}, nil))
	case "refused":
		f := strings.SplitN(rest, " ", 3)
		p.do(p.m.Authenticated(token.Caller{}, kindError(f[0], f[1], f[2])))
	case "done":
		f := strings.SplitN(rest, " ", 2)
		run, ok := p.runs[f[0]]
		if !ok {
			return fmt.Errorf("nothing runs as %s", f[0])
		}
		if e, is := strings.CutPrefix(f[1], "error "); is {
			g := strings.SplitN(e, " ", 3)
			p.do(p.m.Done(run, nil, kindError(g[0], g[1], g[2])))
			break
		}
		r, err := reply(f[1])
		if err != nil {
			return err
		}
		p.do(p.m.Done(run, r, nil))
	case "invalidated":
		p.do(p.m.Invalidated())
	case "begin":
		due, effects, ok := p.m.Begin(p.now)
		p.do(effects)
		if !ok {
			p.out = append(p.out, "~ nothing due")
			break
		}
		p.due = due
		s := "~ compute as " + name(due.Caller)
		for _, q := range due.Queries {
			s += fmt.Sprintf(" %d=%s%s", q.ID, q.Path, q.Args)
			if q.Journal != nil {
				s += "@" + *q.Journal
			}
			if q.Fresh {
				s += "!"
			}
		}
		p.out = append(p.out, s)
	case "computed":
		f := strings.Fields(rest)
		var ts uint64
		fmt.Sscan(f[0], &ts)
		var results []Result
		for _, x := range f[1:] {
			id, body, _ := strings.Cut(x, "=")
			r, err := reply(body)
			if err != nil {
				return err
			}
			var n uint32
			fmt.Sscan(id, &n)
			copy(r.Hash[:], string(r.Value)+r.Message)
			results = append(results, Result{ID: n, Reply: r})
		}
		p.latest = max(p.latest, ts)
		p.do(p.m.Computed(ts, results))
	case "failed":
		f := strings.SplitN(rest, " ", 3)
		p.do(p.m.Failed(kindError(f[0], f[1], f[2]), p.due))
	case "retry":
		p.do(p.m.RetryDue())
	case "written":
		p.do(p.m.Written())
	default:
		return fmt.Errorf("unknown input %q", line)
	}
	return nil
}

// reply reads {value, ts} or {error, data} of a transcript.
func reply(s string) (*Reply, error) {
	var j struct {
		Value   json.RawMessage
		Error   *string
		Data    json.RawMessage
		TS      uint64
		Logs    []string
		Journal *string
	}
	if err := json.Unmarshal([]byte(s), &j); err != nil {
		return nil, fmt.Errorf("reply %s: %w", s, err)
	}
	r := &Reply{Value: j.Value, TS: j.TS, Logs: j.Logs, Journal: j.Journal, Data: j.Data}
	if j.Error != nil {
		r.Failed, r.Message = true, *j.Error
	}
	return r, nil
}

// kindError is an error of a kind by its name.
func kindError(kind, code, text string) error {
	for k := apierr.Internal; k <= apierr.Unsupported; k++ {
		if strings.ReplaceAll(k.String(), " ", "-") == kind {
			return apierr.New(k, code, "%s", text)
		}
	}
	return fmt.Errorf("%s: %s", code, text)
}

// name is how transcripts call a caller.
func name(c token.Caller) string {
	if c.Claims == nil {
		return "nobody"
	}
	return c.Claims.Subject
}

// do notes effects.
func (p *player) do(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			p.out = append(p.out, "< "+shorten(string(e.Message.appendTo(nil, 0))))
		case Verify:
			s := fmt.Sprintf("~ verify %s %q", e.TokenType, e.Value)
			if e.Acting != nil {
				s += " as " + string(e.Acting)
			}
			p.out = append(p.out, s)
		case Run:
			what := "mutation"
			if e.Action {
				what = "action"
			}
			p.runs[fmt.Sprint(e.RequestID)] = e
			p.out = append(p.out, fmt.Sprintf("~ run %s %d %s%s as %s", what, e.RequestID, e.Path, e.Args, name(e.Caller)))
		case Wake:
			p.out = append(p.out, "~ wake")
		case Delay:
			p.out = append(p.out, "~ delay "+e.For.String())
		case Forget:
			p.out = append(p.out, fmt.Sprintf("~ forget %d", e.Query))
		case Close:
			p.out = append(p.out, strings.TrimSpace(fmt.Sprintf("~ close %d %s", e.Code, e.Reason)))
		}
	}
}

func TestMachineTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{now: time.Unix(1000, 0), runs: map[string]Run{}}
			for line := range strings.Lines(string(want)) {
				line = strings.TrimRight(line, "\n")
				switch {
				case line == "" || line[0] == '#':
					p.out = append(p.out, line)
				case line[0] == '>' || line[0] == '!':
					p.out = append(p.out, line)
					if err := p.step(line); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := strings.Join(p.out, "\n") + "\n"
			if *rewrite {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("transcript (-want +got):\n%s", d)
			}
		})
	}
}

func TestChunksCutOnCharacters(t *testing.T) {
	t.Parallel()
	text := []byte(`{"type":"Transition","x":"` + strings.Repeat("aé漢😀\\\"", 50) + `"}`)
	for limit := 5; limit < 60; limit += 7 {
		var joined string
		for i, c := range chunks(text, limit) {
			var m struct {
				Type, Chunk, TransitionID string
				PartNumber, TotalParts    int
			}
			if err := json.Unmarshal(c, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type != "TransitionChunk" || m.PartNumber != i || m.TransitionID != fmt.Sprint(len(text)) || len(m.Chunk) > limit {
				t.Fatalf("part %d: %+v", i, m)
			}
			joined += m.Chunk
		}
		if joined != string(text) {
			t.Fatalf("limit %d: the parts do not make the whole", limit)
		}
	}
	if got := chunks(text, len(text)); len(got) != 1 || !bytes.Equal(got[0], text) {
		t.Error("a small transition is cut")
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, name := range files {
		b, _ := os.ReadFile(name)
		for line := range strings.Lines(string(b)) {
			if line[0] == '>' {
				f.Add([]byte(expand(strings.TrimSpace(line[1:]))))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decode(b); err != nil {
			if _, ok := apierr.As(err); !ok {
				t.Fatalf("an error of ours: %v", err)
			}
			return
		}
		m := &Machine{}
		m.Received([]byte(`{"type":"Connect","sessionId":"00000000-0000-4000-8000-000000000000"}`), time.Unix(1, 0), 9)
		for _, e := range m.Received(b, time.Unix(1, 0), 9) {
			if s, ok := e.(Send); ok && !json.Valid(s.Message.appendTo(nil, 1)) {
				t.Fatalf("sent what is not JSON: %s", s.Message.appendTo(nil, 1))
			}
		}
	})
}
