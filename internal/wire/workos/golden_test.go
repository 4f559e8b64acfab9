package workos

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.http")

// names replaces what differs from run to run by names, and back: ids become
// $user1, $redir1 and so on, in the order in which they appear.
type names struct {
	byValue map[string]string
	byName  map[string]string
	count   map[string]int
}

// volatile finds ids, times and tokens. The first group of an id is its prefix.
var volatile = regexp.MustCompile(`\b([a-z]+(?:_[a-z]+)*)_[0-9A-HJKMNP-TV-Z]{26}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// secrets finds members whose values are made up anew each time: $token1 and so on.
var secrets = regexp.MustCompile(`"(verification_token|verification_prefix|password_reset_token|token)":"([^"]+)"|"(code)":"(\d{6})"|"(slug)":"(org-[a-z-]+-[a-z2-7]{6})"`)

// hide replaces values by names.
func (n *names) hide(s string) string {
	for _, m := range secrets.FindAllStringSubmatch(s, -1) {
		kind, v := m[1]+m[3]+m[5], m[2]+m[4]+m[6]
		if _, ok := n.byValue[v]; !ok {
			n.count[kind]++
			name := fmt.Sprintf("$%s%d", kind, n.count[kind])
			n.byValue[v], n.byName[name] = name, v
		}
		s = strings.ReplaceAll(s, v, n.byValue[v])
	}
	return volatile.ReplaceAllStringFunc(s, func(v string) string {
		m := volatile.FindStringSubmatch(v)
		if m[1] == "" {
			return "$TS"
		}
		if name, ok := n.byValue[v]; ok {
			return name
		}
		n.count[m[1]]++
		name := fmt.Sprintf("$%s%d", m[1], n.count[m[1]])
		n.byValue[v], n.byName[name] = name, v
		return name
	})
}

// show puts values for names. Longer names go first, so that $user1 does not eat
// the beginning of $user10.
func (n *names) show(s string) string {
	all := make([]string, 0, len(n.byName))
	for name := range n.byName {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, name := range all {
		s = strings.ReplaceAll(s, name, n.byName[name])
	}
	return s
}

// TestExchanges replays testdata/*.http. A file is a row of exchanges: "### title",
// the request with its headers and body, "---", the answer. -update writes the
// answers.
func TestExchanges(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { replay(t, file) })
		})
	}
}

// replay replays one file. Time is the bubble's: each exchange happens a second after
// the one before it, so that lists have an order.
func replay(t *testing.T, file string) {
	h := newHouse(t, nil)
	n := &names{byValue: map[string]string{}, byName: map[string]string{"$KEY": h.key}, count: map[string]int{}}
	n.byValue[string(h.env.ClientID)], n.byName["$CLIENT"] = "$CLIENT", string(h.env.ClientID)
	text, err := os.ReadFile(file)
	check(t, err)
	var out strings.Builder
	for _, exchange := range strings.Split(string(text), "### ")[1:] {
		time.Sleep(time.Second)
		title, rest, _ := strings.Cut(exchange, "\n")
		request, _, _ := strings.Cut(rest, "---\n")
		request = strings.TrimSpace(request)
		out.WriteString("### " + title + "\n" + request + "\n\n---\n" + n.hide(exchangeOnce(t, h, n.show(request))) + "\n")
	}
	got := strings.TrimRight(out.String(), "\n") + "\n"
	if *update {
		check(t, os.WriteFile(file, []byte(got), 0o644))
	} else if diff := cmp.Diff(string(text), got); diff != "" {
		t.Error(diff)
	}
}

// exchangeOnce sends one request as it is written and writes down the answer.
func exchangeOnce(t *testing.T, h *house, text string) string {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("not a request line: %q", lines[0])
	}
	var headers []string
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		headers = append(headers, name, value)
	}
	res := h.do(method, target, body, headers...)
	if res.Header.Get("X-Request-ID") == "" {
		t.Errorf("%s: no request id", lines[0])
	}
	res.Header.Del("X-Request-ID")
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", res.StatusCode, http.StatusText(res.StatusCode))
	keys := make([]string, 0, len(res.Header))
	for k := range res.Header {
		if k != "Content-Length" && k != "X-Content-Type-Options" && k != "Etag" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, v := range res.Header[k] {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	all, err := io.ReadAll(res.Body)
	check(t, err)
	if len(all) > 0 {
		b.WriteString("\n")
		b.Write(bytes.TrimSpace(all))
		b.WriteString("\n")
	}
	return b.String()
}
