package identity

import (
	"context"
	"time"
)

// keepTrail is how long it stays known what operators did.
const keepTrail = 400 * 24 * time.Hour

// trailPrefix begins the ids of entries.
const trailPrefix = "operation_"

// Operation is one thing that somebody with an API key changed, or tried to.
type Operation struct {
	ID        string
	Request   string // its id, as the answer told it
	Key       APIKeyID
	Method    string
	Path      string // without query
	Status    int    // of the answer
	IPAddress string
	UserAgent string
	Created   time.Time
}

// RecordOperation writes an entry of the trail. It holds no body and no secret;
// what changed is told by the events of the same moment.
func (s *Service) RecordOperation(ctx context.Context, id EnvironmentID, o Operation) error {
	return s.Update(ctx, func(tx *Tx) error {
		o.ID = tx.newID(trailPrefix)
		return tx.Add(tableTrail, Row{Text("id", o.ID), Text("environment", id), Text("request", clip(o.Request, 64)), Text("key", o.Key),
			Text("method", clip(o.Method, 16)), Text("path", clip(o.Path, 512)), Number("status", o.Status), Text("ip_address", clip(o.IPAddress, 64)),
			Text("user_agent", clip(o.UserAgent, 512)), Time("created", tx.now)})
	})
}

// Operations lists the trail of an environment, newest first unless told
// otherwise; only that of one key if one is named.
func (s *Service) Operations(ctx context.Context, id EnvironmentID, of APIKeyID, p Page) (l *List[Operation], err error) {
	index, prefix := "on_environment", []string{string(id)}
	if of != "" {
		index, prefix = "on_key", []string{string(id), string(of)}
	}
	err = s.View(ctx, func(tx *Tx) error {
		l, err = page(tx, tableTrail, index, prefix, p, func(r Record) (Operation, string, bool) {
			o := Operation{ID: r.Text("id"), Request: r.Text("request"), Key: APIKeyID(r.Text("key")), Method: r.Text("method"), Path: r.Text("path"),
				Status: int(r.Number("status")), IPAddress: r.Text("ip_address"), UserAgent: r.Text("user_agent"), Created: r.Time("created")}
			return o, o.ID, true
		})
		return err
	})
	return l, err
}
