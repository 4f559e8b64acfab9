package workos

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/auditlog"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// auditLogRoutes are about audit logs.
func (a *API) auditLogRoutes() []Route {
	return []Route{
		{"GET", "/audit_logs/actions", "listAuditLogActions", "key", corsNone, false, a.listAuditActions},
		{"POST", "/audit_logs/actions/{actionName}/schemas", "createSchema", "key", corsNone, false, a.createAuditSchema},
		{"GET", "/audit_logs/actions/{actionName}/schemas", "listSchemas", "key", corsNone, false, a.listAuditSchemas},
		{"POST", "/audit_logs/events", "createEvent", "key", corsNone, false, a.createAuditEvent},
		{"POST", "/audit_logs/exports", "createExport", "key", corsNone, false, a.createAuditExport},
		{"GET", "/audit_logs/exports/{auditLogExportId}", "getExport", "key", corsNone, false, a.getAuditExport},
		{"GET", "/organizations/{id}/audit_logs_retention", "getOrganizationAuditLogsRetention", "key", corsNone, false, a.getRetention},
		{"PUT", "/organizations/{id}/audit_logs_retention", "updateOrganizationAuditLogsRetention", "key", corsNone, false, a.setRetention},
		{"GET", "/organizations/{id}/audit_log_configuration", "getOrganizationAuditLogConfiguration", "key", corsNone, false, a.auditConfiguration},
		// The address that an export's url names; its last part is the permission.
		{"GET", auditFilePath + "{link}", "", "public", corsNone, false, a.downloadAuditExport},
	}
}

// auditFilePath is where the files of exports are.
const auditFilePath = "/_lentil/v1/audit_log_files/"

// auditSchemaObject is a schema on the wire.
type auditSchemaObject struct {
	Object    string                  `json:"object"`
	Version   int                     `json:"version"`
	Actor     *auditlog.ActorSchema   `json:"actor,omitempty"`
	Targets   []auditlog.TargetSchema `json:"targets"`
	Metadata  json.RawMessage         `json:"metadata,omitempty"`
	CreatedAt string                  `json:"created_at"`
}

// newAuditSchemaObject shows s.
func newAuditSchemaObject(s *auditlog.Schema) auditSchemaObject {
	return auditSchemaObject{"audit_log_schema", s.Version, s.Actor, s.Targets, s.Metadata, identity.FormatTime(s.Created)}
}

// auditActionObject is an action on the wire.
type auditActionObject struct {
	Object    string            `json:"object"`
	Name      string            `json:"name"`
	Schema    auditSchemaObject `json:"schema"`
	CreatedAt string            `json:"created_at"`
	UpdatedAt string            `json:"updated_at"`
}

// listAuditActions is GET /audit_logs/actions.
func (a *API) listAuditActions(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.AuditLogs.Actions(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, func(x *auditlog.Action) auditActionObject {
		return auditActionObject{"audit_log_action", x.Name, newAuditSchemaObject(&x.Schema), identity.FormatTime(x.Created), identity.FormatTime(x.Updated)}
	})
}

// createAuditSchema is POST /audit_logs/actions/{actionName}/schemas.
func (a *API) createAuditSchema(w http.ResponseWriter, r *http.Request) error {
	var b auditlog.Schema
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	s, err := a.AuditLogs.CreateSchema(r.Context(), environment(r).ID, r.PathValue("actionName"), b)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newAuditSchemaObject(s))
	return nil
}

// listAuditSchemas is GET /audit_logs/actions/{actionName}/schemas.
func (a *API) listAuditSchemas(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.AuditLogs.Schemas(r.Context(), environment(r).ID, r.PathValue("actionName"), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newAuditSchemaObject)
}

// createAuditEvent is POST /audit_logs/events.
func (a *API) createAuditEvent(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization identity.OrganizationID `json:"organization_id"`
		Event        auditlog.Event          `json:"event"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := a.AuditLogs.Ingest(r.Context(), environment(r).ID, b.Organization, b.Event, r.Header.Get("Idempotency-Key")); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]bool{"success": true})
	return nil
}

// auditExportObject is an export on the wire.
type auditExportObject struct {
	Object    string         `json:"object"`
	ID        string         `json:"id"`
	State     auditlog.State `json:"state"`
	URL       *string        `json:"url"`
	CreatedAt string         `json:"created_at"`
	UpdatedAt string         `json:"updated_at"`
}

// newAuditExportObject shows e; a ready one with a fresh address of its file.
func (a *API) newAuditExportObject(r *http.Request, e *auditlog.Export) auditExportObject {
	o := auditExportObject{Object: "audit_log_export", ID: e.ID, State: e.State,
		CreatedAt: identity.FormatTime(e.Created), UpdatedAt: identity.FormatTime(e.Updated)}
	if e.State == auditlog.Ready {
		u := a.baseURL(r) + auditFilePath + a.AuditLogs.Link(environment(r).ID, e.ID, identity.Now(r.Context()))
		o.URL = &u
	}
	return o
}

// createAuditExport is POST /audit_logs/exports. The member actors is the older
// name of actor_names.
func (a *API) createAuditExport(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization identity.OrganizationID `json:"organization_id"`
		From         time.Time               `json:"range_start"`
		To           time.Time               `json:"range_end"`
		Actions      []string                `json:"actions"`
		Actors       []string                `json:"actors"`
		ActorNames   []string                `json:"actor_names"`
		ActorIDs     []string                `json:"actor_ids"`
		Targets      []string                `json:"targets"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	e, err := a.AuditLogs.CreateExport(r.Context(), environment(r).ID, auditlog.Filter{Organization: b.Organization, From: b.From, To: b.To,
		Actions: b.Actions, ActorNames: append(b.ActorNames, b.Actors...), ActorIDs: b.ActorIDs, Targets: b.Targets})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, a.newAuditExportObject(r, e))
	return nil
}

// getAuditExport is GET /audit_logs/exports/{auditLogExportId}.
func (a *API) getAuditExport(w http.ResponseWriter, r *http.Request) error {
	e, err := a.AuditLogs.Export(r.Context(), environment(r).ID, r.PathValue("auditLogExportId"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, a.newAuditExportObject(r, e))
	return nil
}

// downloadAuditExport serves the file that a link of an export names.
func (a *API) downloadAuditExport(w http.ResponseWriter, r *http.Request) error {
	env, e, err := a.AuditLogs.Follow(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+e.ID+`.csv"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := a.AuditLogs.WriteTo(r.Context(), w, env, e.ID); err != nil {
		return wire.ErrAborted // the file has begun: only breaking off tells that it is not whole
	}
	return nil
}

// retentionObject says how long events are kept.
type retentionObject struct {
	Days *int `json:"retention_period_in_days"`
}

// getRetention is GET /organizations/{id}/audit_logs_retention.
func (a *API) getRetention(w http.ResponseWriter, r *http.Request) error {
	days, set, _, err := a.AuditLogs.Retention(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("id")))
	if err != nil {
		return err
	}
	o := retentionObject{}
	if set {
		o.Days = &days
	}
	writeJSON(w, http.StatusOK, o)
	return nil
}

// setRetention is PUT /organizations/{id}/audit_logs_retention. The description
// has retention_period_in_days, the official clients send retention_period in
// months ("3_MONTHS") or years; both are taken.
func (a *API) setRetention(w http.ResponseWriter, r *http.Request) error {
	raw, err := wire.Body(r, maxBody)
	if err != nil {
		return err
	}
	var b struct {
		Days   *int    `json:"retention_period_in_days"`
		Period *string `json:"retention_period"`
	}
	if len(raw) > 0 {
		if err := wire.Decode(raw, &b); err != nil {
			return invalid("The body is not the JSON that is expected.").Wrap(err)
		}
	}
	switch {
	case b.Days == nil && b.Period == nil:
		return missing("retention_period_in_days")
	case b.Days == nil:
		days, ok := periodDays(*b.Period)
		if !ok {
			return invalidField("retention_period", "invalid", "A retention period is a number of months or years, such as 3_MONTHS.")
		}
		b.Days = &days
	}
	if err := a.AuditLogs.SetRetention(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("id")), *b.Days); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, retentionObject{b.Days})
	return nil
}

// periodDays reads a retention period such as "3_MONTHS".
func periodDays(s string) (int, bool) {
	number, unit, ok := strings.Cut(s, "_")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > 120 {
		return 0, false
	}
	switch unit {
	case "MONTH", "MONTHS":
		return 30 * n, true
	case "YEAR", "YEARS":
		return 365 * n, true
	}
	return 0, false
}

// auditConfiguration is GET /organizations/{id}/audit_log_configuration. Streams
// to log systems are not offered, so none is ever named.
func (a *API) auditConfiguration(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	days, _, used, err := a.AuditLogs.Retention(r.Context(), environment(r).ID, identity.OrganizationID(id))
	if err != nil {
		return err
	}
	state := "inactive"
	if used {
		state = "active"
	}
	writeJSON(w, http.StatusOK, struct {
		Organization string `json:"organization_id"`
		Days         int    `json:"retention_period_in_days"`
		State        string `json:"state"`
	}{id, days, state})
	return nil
}
