package auditlog

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// State is what has become of an export.
type State string

// The states of an export.
const (
	Pending State = "pending"
	Ready   State = "ready"
	Failed  State = "error"
	Expired State = "expired"
)

// Filter says which events an export shows. Lists that are empty filter nothing.
type Filter struct {
	Organization identity.OrganizationID `json:"organization"`
	From         time.Time               `json:"from"`
	To           time.Time               `json:"to"`
	Actions      []string                `json:"actions,omitempty"`
	ActorNames   []string                `json:"actor_names,omitempty"`
	ActorIDs     []string                `json:"actor_ids,omitempty"`
	Targets      []string                `json:"targets,omitempty"` // types
}

// Export is a CSV file of events.
type Export struct {
	ID      string
	State   State
	Created time.Time
	Updated time.Time
}

// Bounds of an export, ours: what a list of a filter may hold, how much one
// transaction writes, and how large a file gets.
const (
	maxFilter   = 100
	partSize    = 256 << 10
	maxFile     = 256 << 20
	batchEvents = 500
)

// CreateExport asks for a file; Run writes it.
func (s *Service) CreateExport(ctx context.Context, env identity.EnvironmentID, f Filter) (*Export, error) {
	bad := func(format string, args ...any) error {
		return apierr.New(apierr.BadRequest, "bad_request", format, args...)
	}
	if f.From.IsZero() || f.To.IsZero() || !f.From.Before(f.To) && !f.From.Equal(f.To) {
		return nil, bad("range_start must not be later than range_end.")
	}
	for _, l := range [][]string{f.Actions, f.ActorNames, f.ActorIDs, f.Targets} {
		if len(l) > maxFilter {
			return nil, bad("A filter lists at most %d values.", maxFilter)
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("auditlog: encode filter: %w", err)
	}
	var e Export
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, f.Organization); err != nil {
			if apierr.KindOf(err) == apierr.NotFound {
				return bad("Organization not found: '%.100s'.", f.Organization)
			}
			return err
		}
		e = Export{ID: tx.NewID("audit_log_export_"), State: Pending, Created: tx.Now(), Updated: tx.Now()}
		return tx.Add(tableExports, identity.Row{
			identity.Text("id", e.ID), identity.Text("environment", env), identity.Text("state", e.State), identity.Text("filter", string(text)),
			identity.Time("created", e.Created), identity.Time("updated", e.Updated), identity.Time("expires", e.Created.Add(keepExports)),
		})
	})
	if err != nil {
		return nil, err
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run looks at all that wait
	}
	return &e, nil
}

// Export finds an export.
func (s *Service) Export(ctx context.Context, env identity.EnvironmentID, id string) (e *Export, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableExports, "on_environment", string(env), id)
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("Audit log export", id)
		}
		e = &Export{ID: id, State: State(f.Text("state")), Created: f.Time("created"), Updated: f.Time("updated")}
		if !tx.Now().Before(f.Time("expires")) {
			e.State = Expired
		}
		return nil
	})
	return e, err
}

// writeExports writes the files of all exports that wait.
func (s *Service) writeExports(ctx context.Context) error {
	for {
		var row *identity.Found
		err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
			row, err = tx.First(tableExports, "on_state", string(Pending))
			return err
		})
		if err != nil || row == nil {
			return err
		}
		state := Ready
		if err := s.writeFile(ctx, row); err != nil {
			if ctx.Err() != nil {
				return err // begun again at the next start
			}
			s.Log.Error("audit log export failed", "export", row.Text("id"), "err", err)
			state = Failed
		}
		err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
			f, err := tx.First(tableExports, "on_environment", row.Text("environment"), row.Text("id"))
			if err != nil || f == nil {
				return err
			}
			return tx.Patch(f, identity.Row{identity.Text("state", state), identity.Time("updated", tx.Now())})
		})
		if err != nil {
			return err
		}
	}
}

// errTooLong ends a file that would be too large.
var errTooLong = errors.New("auditlog: the file would be larger than it may; ask for a shorter range")

// columns head the file.
var columns = []string{"id", "occurred_at", "action", "version", "actor_type", "actor_id", "actor_name", "actor_metadata",
	"targets", "context_location", "context_user_agent", "metadata"}

// writeFile writes the file of an export, batch by batch. The events that came
// after the export was asked for are not in it, so the batches agree.
func (s *Service) writeFile(ctx context.Context, row *identity.Found) error {
	var f Filter
	if err := json.Unmarshal([]byte(row.Text("filter")), &f); err != nil {
		return fmt.Errorf("auditlog: filter of export: %w", err)
	}
	env, id, asked := row.Text("environment"), row.Text("id"), row.Time("created")
	p := &parts{s: s, env: env, id: id, expires: row.Time("expires")}
	if err := p.clear(ctx); err != nil {
		return err
	}
	out := csv.NewWriter(&p.buf)
	if err := out.Write(columns); err != nil {
		return err
	}
	in := span(env, string(f.Organization), f.From, f.To.Add(time.Millisecond))
	for {
		var batch []identity.Found
		err := s.Identity.View(ctx, func(tx *identity.Tx) error {
			batch = batch[:0]
			return tx.Each(tableEvents, "on_organization", in, database.Asc, func(e identity.Found) (bool, error) {
				batch = append(batch, e)
				return len(batch) < batchEvents, nil
			})
		})
		if err != nil {
			return err
		}
		for _, e := range batch {
			if e.Time("created").After(asked) || !f.wants(&e) {
				continue
			}
			if err := out.Write(line(&e)); err != nil {
				return err
			}
		}
		out.Flush()
		if err := p.flush(ctx, len(batch) < batchEvents); err != nil {
			return err
		}
		if len(batch) < batchEvents {
			return nil
		}
		last := batch[len(batch)-1]
		k := identity.Key(env, string(f.Organization))
		k = value.AppendKey(k, value.Float64(last.Number("occurred")))
		in.Lower = database.After(value.AppendKey(k, value.String(last.Text("id"))))
	}
}

// wants reports whether the filter lets an event through.
func (f *Filter) wants(e *identity.Found) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	return in(f.Actions, e.Text("action")) && in(f.ActorNames, e.Text("actor_name")) && in(f.ActorIDs, e.Text("actor_id")) &&
		(len(f.Targets) == 0 || slices.ContainsFunc(e.Texts("targets"), func(t string) bool { return slices.Contains(f.Targets, t) }))
}

// line is an event's row of the file.
func line(f *identity.Found) []string {
	var e Event
	_ = json.Unmarshal([]byte(f.Text("body")), &e) // written by Ingest
	asJSON := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil || string(b) == "null" {
			return ""
		}
		return string(b)
	}
	cells := []string{f.Text("id"), identity.FormatTime(e.Occurred), e.Action, strconv.Itoa(e.Version), e.Actor.Type, e.Actor.ID, e.Actor.Name,
		asJSON(e.Actor.Metadata), asJSON(e.Targets), e.Context.Location, e.Context.UserAgent, asJSON(e.Metadata)}
	for i, c := range cells {
		cells[i] = tame(c)
	}
	return cells
}

// tame keeps a spreadsheet from taking text that somebody sent for a formula
// (OWASP, CSV injection).
func tame(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// parts stores a file in pieces that fit a row.
type parts struct {
	s       *Service
	env, id string
	expires time.Time
	buf     bytes.Buffer
	number  int
	size    int
}

// clear removes the pieces that an interrupted attempt left.
func (p *parts) clear(ctx context.Context) error {
	for {
		gone := 0
		err := p.s.Identity.Update(ctx, func(tx *identity.Tx) error {
			gone = 0
			return tx.Each(tableParts, "on_export", database.Prefix(identity.Key(p.env, p.id)), database.Asc, func(f identity.Found) (bool, error) {
				gone++
				return gone < 8, tx.Remove(&f)
			})
		})
		if err != nil || gone == 0 {
			return err
		}
	}
}

// flush writes what is gathered in full pieces, and with end also the rest.
func (p *parts) flush(ctx context.Context, end bool) error {
	for p.buf.Len() >= partSize || end && p.buf.Len() > 0 {
		piece := slices.Clone(p.buf.Next(partSize))
		if p.size += len(piece); p.size > maxFile {
			return errTooLong
		}
		err := p.s.Identity.Update(ctx, func(tx *identity.Tx) error {
			return tx.Add(tableParts, identity.Row{
				identity.Text("environment", p.env), identity.Text("export", p.id), identity.Number("number", p.number),
				identity.Bytes("bytes", piece), identity.Time("expires", p.expires),
			})
		})
		if err != nil {
			return err
		}
		p.number++
	}
	return nil
}

// WriteTo writes the file of a ready export to w.
func (s *Service) WriteTo(ctx context.Context, w io.Writer, env identity.EnvironmentID, id string) error {
	for n := 0; ; n++ {
		var piece []byte
		err := s.Identity.View(ctx, func(tx *identity.Tx) error {
			piece = nil
			k := value.AppendKey(identity.Key(string(env), id), value.Float64(n))
			return tx.Each(tableParts, "on_export", database.Prefix(k), database.Asc, func(f identity.Found) (bool, error) {
				piece = f.Bytes("bytes")
				return false, nil
			})
		})
		if err != nil || piece == nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
}

// The link to a file: how long it works (docs/audit-logs/exporting-events), and
// what its seal is bound to.
const (
	linkLife    = 10 * time.Minute
	purposeLink = "audit log export link"
)

// Link makes the secret part of the address under which the file of an export is
// given to whoever has it, for linkLife.
func (s *Service) Link(env identity.EnvironmentID, id string, now time.Time) string {
	return s.Identity.Sealer.Seal(purposeLink, fmt.Appendf(nil, "%s %s %d", env, id, now.Add(linkLife).Unix()))
}

// Follow opens a link.
func (s *Service) Follow(ctx context.Context, link string) (identity.EnvironmentID, *Export, error) {
	gone := apierr.New(apierr.NotFound, "entity_not_found", "This link is not valid any more; fetch the export again for a fresh one.")
	b, err := s.Identity.Sealer.Open(purposeLink, link)
	if err != nil {
		return "", nil, gone
	}
	part := strings.Split(string(b), " ")
	if len(part) != 3 {
		return "", nil, gone
	}
	env := identity.EnvironmentID(part[0])
	of, err := s.Identity.Environment(ctx, env)
	if err != nil {
		return "", nil, err
	}
	if until, err := strconv.ParseInt(part[2], 10, 64); err != nil || of.Now().Unix() >= until {
		return "", nil, gone
	}
	e, err := s.Export(ctx, env, part[1])
	if err != nil {
		return "", nil, err
	}
	if e.State != Ready {
		return "", nil, gone
	}
	return env, e, nil
}
