package logstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// streamTable has a row for each stream.
const streamTable = "_log_streams"

// Bounds of what can be set up.
const (
	maxStreams = 20
	maxURL     = 2048
)

// Formats of bodies.
const (
	formatJSON  = "json"
	formatJSONL = "jsonl"
)

// Topics of events that are sent.
const (
	topicConsole   = "console"
	topicExecution = "function_execution"
	topicVerify    = "verification"
)

// topics are those that can be asked for; nothing is sent of the others.
var topics = []string{topicVerify, topicConsole, topicExecution, "audit_log", "scheduler_stats", "scheduled_job_lag", "current_storage_usage", "storage_api_bandwidth", "custom_audit"}

// Service is the log streams of one deployment. Fill the fields, call Open, and keep
// Run going.
type Service struct {
	Name   string // the deployment's
	DB     *database.DB
	Logs   *udf.LogStream
	Client *http.Client // nil means http.DefaultClient
	Log    *slog.Logger
}

// Open makes sure of the table.
func (s *Service) Open(ctx context.Context) error {
	if s.DB == nil || s.Logs == nil || s.Log == nil {
		return errors.New("logstream: Service needs DB, Logs and Log")
	}
	if s.Client == nil {
		s.Client = http.DefaultClient
	}
	if err := s.DB.EnsureTables(ctx, []database.TableDef{{Name: streamTable}}); err != nil {
		return fmt.Errorf("logstream: open: %w", err)
	}
	return nil
}

// Stream is a log stream as it is set up.
type Stream struct {
	ID     string
	URL    string
	Format string
	Topics []string // nil for all
	Secret string   // of the signatures
	State  string   // "pending", "active" or "failed"
	Reason string   // why it failed

	created float64 // milliseconds
}

// Options are what an owner sets. A nil member leaves what is there.
type Options struct {
	URL, Format *string
	Topics      *[]string // of nil: all
}

// apply puts options into a stream and checks it.
func (o *Options) apply(st *Stream) error {
	if o.URL != nil {
		st.URL = *o.URL
	}
	if o.Format != nil {
		st.Format = *o.Format
	}
	if o.Topics != nil {
		st.Topics = *o.Topics
	}
	u, err := url.Parse(st.URL)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https", len(st.URL) > maxURL:
		return apierr.New(apierr.BadRequest, "InvalidWebhookUrl", "The URL of a webhook must begin with http:// or https:// and have at most %d characters.", maxURL)
	case st.Format != formatJSON && st.Format != formatJSONL:
		return apierr.New(apierr.BadRequest, "InvalidWebhookFormat", "The format of a webhook is json or jsonl.")
	}
	for _, t := range st.Topics {
		if !slices.Contains(topics, t) {
			return apierr.New(apierr.BadRequest, "InvalidLogTopic", "There is no topic %q.", t)
		}
	}
	return nil
}

// newSecret makes the secret of a stream.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// object is the row of a stream.
func (st *Stream) object() value.Object {
	list := []value.Field{
		{Name: "url", Value: value.String(st.URL)}, {Name: "format", Value: value.String(st.Format)}, {Name: "secret", Value: value.String(st.Secret)},
		{Name: "state", Value: value.String(st.State)}, {Name: "reason", Value: value.String(st.Reason)},
	}
	if st.Topics != nil {
		a := make(value.Array, len(st.Topics))
		for i, t := range st.Topics {
			a[i] = value.String(t)
		}
		list = append(list, value.Field{Name: "topics", Value: a})
	}
	return value.ObjectOf(list...)
}

// streamOf reads a row.
func streamOf(row *database.Document) *Stream {
	text := func(name string) string {
		v, _ := row.Object().Get(name)
		s, _ := v.(value.String)
		return string(s)
	}
	st := &Stream{ID: row.ID.String(), URL: text("url"), Format: text("format"), Secret: text("secret"), State: text("state"), Reason: text("reason"), created: row.CreationTime}
	if v, ok := row.Object().Get("topics"); ok {
		st.Topics = []string{}
		list, _ := v.(value.Array)
		for _, t := range list {
			s, _ := t.(value.String)
			st.Topics = append(st.Topics, string(s))
		}
	}
	return st
}

// list reads all streams.
func list(ctx context.Context, tx *database.Tx) (all []*Stream, err error) {
	c := tx.Scan(streamTable, database.ByCreationTime, database.Interval{}, database.Asc)
	defer c.Close()
	for {
		row, err := c.Next(ctx)
		if err != nil || row == nil {
			return all, err
		}
		all = append(all, streamOf(row))
	}
}

// List lists the streams, oldest first.
func (s *Service) List(ctx context.Context) (all []*Stream, err error) {
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		all, err = list(ctx, tx)
		return err
	})
	return all, err
}

// Create sets a stream up. An event of the topic verification goes to it first.
func (s *Service) Create(ctx context.Context, o Options) (*Stream, error) {
	st := &Stream{Secret: newSecret(), State: "pending"}
	if err := o.apply(st); err != nil {
		return nil, err
	}
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		all, err := list(ctx, tx)
		if err != nil {
			return err
		}
		if len(all) >= maxStreams {
			return apierr.New(apierr.BadRequest, "TooManyLogStreams", "A deployment has at most %d log streams; delete one first.", maxStreams)
		}
		id, err := tx.Insert(ctx, streamTable, st.object())
		st.ID = id.String()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("logstream: create: %w", err)
	}
	return st, nil
}

// edit changes the row of a stream, or deletes it if f says so.
func (s *Service) edit(ctx context.Context, id string, f func(*Stream) (keep bool, err error)) (st *Stream, err error) {
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		none := apierr.New(apierr.NotFound, "LogStreamNotFound", "There is no such log stream. List them with /api/v1/list_log_streams.")
		parsed, err := value.ParseID(id)
		if err != nil {
			return none
		}
		if name, ok := tx.TableNamed(parsed.Table); !ok || name != streamTable {
			return none
		}
		row, err := tx.Get(ctx, parsed)
		if err != nil {
			return err
		}
		if row == nil {
			return none
		}
		st = streamOf(row)
		keep, err := f(st)
		switch {
		case err != nil:
			return err
		case !keep:
			return tx.Delete(ctx, parsed)
		}
		return tx.Replace(ctx, parsed, st.object())
	})
	if err != nil {
		return nil, fmt.Errorf("logstream: change: %w", err)
	}
	return st, nil
}

// Get finds a stream.
func (s *Service) Get(ctx context.Context, id string) (*Stream, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range all {
		if st.ID == id {
			return st, nil
		}
	}
	return nil, apierr.New(apierr.NotFound, "LogStreamNotFound", "There is no such log stream. List them with /api/v1/list_log_streams.")
}

// Update changes a stream.
func (s *Service) Update(ctx context.Context, id string, o Options) error {
	_, err := s.edit(ctx, id, func(st *Stream) (bool, error) {
		st.State, st.Reason = "pending", ""
		return true, o.apply(st)
	})
	return err
}

// Rotate gives a stream a new secret.
func (s *Service) Rotate(ctx context.Context, id string) (*Stream, error) {
	return s.edit(ctx, id, func(st *Stream) (bool, error) {
		st.Secret = newSecret()
		return true, nil
	})
}

// Delete takes a stream away.
func (s *Service) Delete(ctx context.Context, id string) error {
	_, err := s.edit(ctx, id, func(*Stream) (bool, error) { return false, nil })
	return err
}
