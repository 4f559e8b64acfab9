package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// talk is what is said to a person, on stderr; in colour only on a terminal.
type talk struct {
	w     io.Writer
	plain bool
}

// newTalk decides about colour: https://no-color.org.
func newTalk(e *env) *talk {
	return &talk{w: e.stderr, plain: e.getenv("NO_COLOR") != "" || e.getenv("TERM") == "dumb" || !isTerminal(e.stderr)}
}

// The styles, as select graphic rendition codes.
const (
	bold   = "1"
	faint  = "2"
	green  = "32"
	yellow = "33"
)

// style wraps s in a style if colour is allowed.
func (t *talk) style(code, s string) string {
	if t.plain {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// notice says something that the person should know.
func (t *talk) notice(format string, args ...any) {
	fmt.Fprintf(t.w, "%s %s\n", t.style(yellow, "note:"), fmt.Sprintf(format, args...))
}

// addresses prints the short table. The admin key is not in it: it stands in
// .env.local, and in the output of --json.
//
// app is where the project's own pages will be, "" if nobody starts them.
func (t *talk) addresses(a server.Addresses, note, app string) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s  %s\n\n", t.style(bold+";"+green, "lentil"), t.style(faint, note))
	row := func(what, value string) { fmt.Fprintf(&b, "  %-12s %s\n", what, value) }
	if app != "" {
		row("Your app", t.style(bold, app)+"  "+t.style(faint, "starting"))
	}
	row("Deployment", t.style(bold, a.URL)+"  "+t.style(faint, a.Deployment))
	row("HTTP actions", a.SiteURL)
	row("Sign-in", t.style(bold, a.AuthKitURL)+"  "+t.style(faint, a.ClientID))
	switch {
	case a.DashboardLink != "":
		row("Dashboard", t.style(bold, a.DashboardLink)+"  "+t.style(faint, "signs you in, once"))
	case a.ControlURL != "":
		row("Dashboard", a.ControlURL+"  "+t.style(faint, "lentil dashboard signs you in"))
	}
	if a.OutboxURL != "" {
		row("Mail", a.OutboxURL)
	}
	b.WriteString("\n")
	io.WriteString(t.w, b.String())
}

// started says in a few words that a house was started for a command, and where. The
// deployment is told by the official tools, and is not always the house's first.
func (t *talk) started(a server.Addresses) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  a house was started for this command\n", t.style(bold+";"+green, "lentil"))
	row := func(what, value string) { fmt.Fprintf(&b, "  %-10s %s\n", what, value) }
	row("Sign-in", a.AuthKitURL)
	if a.OutboxURL != "" {
		row("Mail", a.OutboxURL)
	}
	row("Dashboard", a.ControlURL+"  "+t.style(faint, "lentil dashboard signs you in"))
	io.WriteString(t.w, b.String())
}

// status prints how a house stands against its limits.
func (t *talk) status(st *server.Status) {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s %s\n", what, fmt.Sprintf(format, args...))
	}
	of := func(what string, g server.Gauge, note string) {
		limit := ""
		if g.Limit > 0 {
			limit = fmt.Sprintf(" of %d", g.Limit)
		}
		row(what, "%d%s%s", g.Used, t.style(faint, limit), t.style(faint, note))
	}
	if len(st.Deployments) > 0 {
		open := 1
		for _, d := range st.Deployments {
			if d.State == "open" {
				open++
			}
		}
		row("Deployments", "%d %s", len(st.Deployments)+1, t.style(faint, fmt.Sprintf("%d open; lentil deployments lists them", open)))
	}
	of("Connections", st.Connections, "")
	of("Sockets", st.Sockets, "")
	of("Requests", st.Requests, "")
	of("Subscriptions", st.Subscriptions, "")
	of("Workers", st.Workers, fmt.Sprintf("; %d of %d waiting", st.Queue.Used, st.Queue.Limit))
	of("Write log", st.WriteLog, " keys")
	of("Open files", st.Files, "")
	of("Lost threads", st.ParkedThreads, "")
	row("Refused", "%d %s", st.Refused, t.style(faint, "since the start"))
	row("Memory", "%d MB", st.MemoryBytes>>20)
	row("Disk", "%d MB %s", (st.StoreBytes+st.HouseBytes)>>20, t.style(faint, fmt.Sprintf("%d MB free", st.DiskFreeBytes>>20)))
	if b := st.Backup; b != nil {
		switch {
		case b.Through.IsZero():
			row("Backup", "%s %s", b.Depot, t.style(faint, "nothing can be restored yet"))
		default:
			row("Backup", "%s %s", b.Depot, t.style(faint, fmt.Sprintf("until %.0f s ago, the last whole copy %v ago", b.Behind, time.Since(b.Base).Round(time.Second))))
		}
	}
	row("Retention", "%v", time.Duration(st.RetentionSeconds)*time.Second)
	for _, l := range st.Listeners {
		note := l.Purpose
		if l.TLS {
			note += ", TLS"
		}
		if len(l.Hosts) > 0 {
			note += ": " + strings.Join(l.Hosts, ", ")
		}
		row("Listens", "%s  %s", l.Address, t.style(faint, note))
	}
	for _, c := range st.Certificates {
		until := "none yet"
		if !c.Until.IsZero() {
			until = fmt.Sprintf("until %s, %d days", c.Until.Format(time.DateOnly), int(time.Until(c.Until).Hours()/24))
		}
		row("Certificate", "%s  %s", strings.Join(c.Names, ", "), t.style(faint, until+"; "+c.Source))
	}
	row("Up", "%v", time.Duration(st.UptimeSeconds)*time.Second)
	b.WriteString("\n")
	io.WriteString(t.w, b.String())
	for _, p := range st.Problems {
		t.notice("%s", p)
	}
}
