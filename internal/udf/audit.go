package udf

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// AuditTable keeps what functions wrote with log.audit: a row for each entry.
const AuditTable = "_audit_logs"

// Limits of audit logs. The vendor publishes none.
const (
	maxAuditBody = 64 << 10 // JSON of one entry
	maxAudits    = 100      // entries of one execution
	auditAge     = 90 * 24 * time.Hour
)

// auditTemplate is an entry whose variables are not filled in yet: a cached result
// writes it again for everybody who is served from it (server/log.ts).
type auditTemplate struct {
	path string
	body json.RawMessage
}

// auditLog answers log.audit of queries and mutations.
func (x *execution) auditLog(_ context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Body json.RawMessage `json:"body"`
	}
	if err := decode(args, "log.audit", &a); err != nil {
		return nil, err
	}
	switch {
	case x.tx == nil:
		return nil, invalid("AuditLogNotSupportedInAction", "AuditLogNotSupportedInAction: log.audit is not supported in actions. "+
			"Call it in a query or mutation that the action runs.")
	case len(a.Body) > maxAuditBody:
		return nil, invalidArgument("body", "log.audit", fmt.Sprintf("the entry is too large (%s > maximum size %s)", value.FormatSize(len(a.Body)), value.FormatSize(maxAuditBody)))
	case len(x.run.audits) == maxAudits:
		return nil, invalid("TooManyAuditLogs", "Too many audit logs in a single function execution (limit: %d)", maxAudits)
	}
	// Filled in once to see that it can be.
	if _, err := fillAudit(a.Body, func(string) any { return nil }); err != nil {
		return nil, invalidArgument("body", "log.audit", err)
	}
	x.run.audits = append(x.run.audits, auditTemplate{x.path.Client(), bytes.Clone(a.Body)})
	return nullJSON, nil
}

// auditVariables are the placeholders of an entry (server/logVars.ts).
var auditVariables = map[string]func(q *Request, now time.Time) any{
	"requestId": func(q *Request, _ time.Time) any { return q.RequestID },
	"ip":        func(q *Request, _ time.Time) any { return orNull(q.IP) },
	"userAgent": func(q *Request, _ time.Time) any { return orNull(q.UserAgent) },
	"now":       func(_ *Request, now time.Time) any { return now.UnixMilli() },
	"convexActor": func(q *Request, _ time.Time) any {
		if q.Caller.Role == token.Admin {
			return map[string]string{"kind": "admin"}
		}
		return nil
	},
}

// fillAudit puts values in the place of the variables of an entry.
func fillAudit(body json.RawMessage, get func(name string) any) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // as the program wrote them
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	v, err := fillValue(v, get)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, fmt.Errorf("an entry must be an object")
	}
	return json.Marshal(v)
}

// fillValue is fillAudit for one value.
func fillValue(v any, get func(name string) any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = fillValue(v[i], get); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if name, ok := v["$var"].(string); ok && len(v) == 1 {
			if auditVariables[name] == nil {
				return nil, fmt.Errorf("there is no variable %q", clip([]byte(name)))
			}
			return get(name), nil
		}
		for k := range v {
			if v[k], err = fillValue(v[k], get); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// insertAudits writes the entries of a run in a transaction.
func insertAudits(ctx context.Context, tx *database.Tx, q *Request, kind Kind, list []auditTemplate) error {
	now := time.Now()
	for _, t := range list {
		body, err := fillAudit(t.body, func(name string) any { return auditVariables[name](q, now) })
		if err != nil {
			return fmt.Errorf("udf: fill in audit log of %s: %w", t.path, err)
		}
		if _, err := tx.Insert(ctx, AuditTable, value.ObjectOf(
			value.Field{Name: "path", Value: value.String(t.path)},
			value.Field{Name: "udfType", Value: value.String(kind.String())},
			value.Field{Name: "requestId", Value: value.String(q.RequestID)},
			value.Field{Name: "body", Value: value.String(body)},
		)); err != nil {
			return fmt.Errorf("udf: write audit log of %s: %w", t.path, err)
		}
	}
	return nil
}

// auditQuery writes the entries of a query's result before it is handed out, whether
// it was computed for this request or taken from the cache.
func (r *Runner) auditQuery(ctx context.Context, q *Request, out *Outcome) error {
	if len(out.audits) == 0 {
		return nil
	}
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error { return insertAudits(ctx, tx, q, Query, out.audits) })
	return err
}
