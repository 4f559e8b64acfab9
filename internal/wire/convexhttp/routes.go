package convexhttp

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/udf"
)

// access says who may call a route.
type access uint8

// The kinds of access.
const (
	anyone      access = iota // nobody looks
	caller                    // anybody; a credential that is sent must be good
	admin                     // holders of the admin key
	adminOrBody               // the same, and the key may be the body's member adminKey
)

// route is one line of the table. Unknown members of a body are ignored
// everywhere, as the official service ignores them.
type route struct {
	method, pattern string // of net/http; method "" is all
	who             access
	handle          func(*Server, *request) error
	// A route that is known and not offered yet has no handler, but the code and the feature that its refusal names.
	code, feature string
}

// routes is what the deployment answers (convex-cli.md §6). The sync protocol's
// routes are convexsync's.
var routes = []route{
	// functions
	{"POST", "/api/query", caller, (*Server).query, "", ""},
	{"GET", "/api/query", caller, (*Server).getQuery, "", ""},
	{"POST", "/api/query_ts", anyone, (*Server).queryTS, "", ""},
	{"POST", "/api/query_at_ts", caller, (*Server).queryAtTS, "", ""},
	{"POST", "/api/query_batch", caller, (*Server).queryBatch, "", ""},
	{"POST", "/api/mutation", caller, (*Server).mutation, "", ""},
	{"POST", "/api/action", caller, (*Server).action, "", ""},
	{"POST", "/api/function", caller, (*Server).function, "", ""},
	{"POST", "/api/run/{path...}", caller, (*Server).runPath, "", ""},
	{"POST", "/api/run_test_function", adminOrBody, (*Server).runTestFunction, "", ""},

	// pushes
	{"POST", "/api/get_config_hashes", adminOrBody, (*Server).configHashes, "", ""},
	{"POST", "/api/deploy2/evaluate_schema", adminOrBody, (*Server).evaluateSchema, "", ""},
	{"POST", "/api/deploy2/evaluate_push", adminOrBody, (*Server).evaluatePush, "", ""},
	{"POST", "/api/deploy2/start_push", adminOrBody, (*Server).startPush, "", ""},
	{"POST", "/api/deploy2/wait_for_schema", adminOrBody, (*Server).waitForSchema, "", ""},
	{"POST", "/api/deploy2/finish_push", adminOrBody, (*Server).finishPush, "", ""},
	{"POST", "/api/deploy2/report_push_completed", adminOrBody, (*Server).reportPushCompleted, "", ""},

	// pushes of CLIs up to 1.25
	{"POST", "/api/prepare_schema", adminOrBody, (*Server).prepareSchema, "", ""},
	{"GET", "/api/schema_state/{id}", admin, (*Server).schemaState, "", ""},
	{"POST", "/api/push_config", adminOrBody, (*Server).pushConfig, "", ""},

	// environment variables
	{"POST", "/api/update_environment_variables", adminOrBody, (*Server).updateEnvironment, "", ""},
	{"POST", "/api/v1/update_environment_variables", admin, (*Server).updateEnvironment, "", ""},
	{"GET", "/api/list_environment_variables", admin, (*Server).listEnvironment, "", ""},
	{"GET", "/api/v1/list_environment_variables", admin, (*Server).listEnvironment, "", ""},

	// scheduled functions
	{"POST", "/api/cancel_job", adminOrBody, (*Server).cancelJob, "", ""},
	{"POST", "/api/cancel_all_jobs", adminOrBody, (*Server).cancelAllJobs, "", ""},

	// file storage
	{"POST", "/api/storage/upload", anyone, (*Server).uploadFile, "", ""},
	{"GET", "/api/storage/{key}", anyone, (*Server).serveFile, "", ""},

	// export and import
	{"POST", "/api/export/request/zip", admin, (*Server).requestExport, "", ""},
	{"GET", "/api/export/zip/{name}", admin, (*Server).downloadExport, "", ""},
	{"POST", "/api/export/set_expiration/{name}", admin, (*Server).expireExport, "", ""},
	{"POST", "/api/export/cancel/{name}", admin, (*Server).cancelExport, "", ""},
	{"POST", "/api/import", admin, (*Server).importBody, "", ""},
	{"POST", "/api/import/start_upload", admin, (*Server).startUpload, "", ""},
	{"POST", "/api/import/upload_part", admin, (*Server).uploadPart, "", ""},
	{"POST", "/api/import/finish_upload", admin, (*Server).finishUpload, "", ""},
	{"POST", "/api/perform_import", admin, (*Server).performImport, "", ""},
	{"POST", "/api/cancel_import", admin, (*Server).cancelImport, "", ""},

	// streaming export
	{"GET", "/api/list_snapshot", admin, (*Server).listSnapshot, "", ""},
	{"POST", "/api/list_snapshot", adminOrBody, (*Server).listSnapshot, "", ""},
	{"GET", "/api/document_deltas", admin, (*Server).documentDeltas, "", ""},
	{"POST", "/api/document_deltas", adminOrBody, (*Server).documentDeltas, "", ""},
	{"GET", "/api/json_schemas", admin, (*Server).jsonSchemas, "", ""},
	{"GET", "/api/test_streaming_export_connection", admin, (*Server).testStreamingExport, "", ""},
	{"POST", "/api/v1/data/sync", admin, (*Server).dataSync, "", ""},
	{"POST", "/api/data_sync_cursor_from_deltas", admin, (*Server).dataSyncCursor, "", ""},

	// streaming import
	{"PUT", "/api/streaming_import/add_primary_key_indexes", admin, (*Server).addPrimaryKeys, "", ""},
	{"GET", "/api/streaming_import/primary_key_indexes_ready", admin, (*Server).primaryKeysReady, "", ""},
	{"PUT", "/api/streaming_import/clear_tables", admin, (*Server).clearTables, "", ""},
	{"POST", "/api/streaming_import/import_airbyte_records", admin, (*Server).importRecords, "", ""},

	// logs
	{"GET", "/api/v1/list_log_streams", admin, (*Server).listLogStreams, "", ""},
	{"GET", "/api/v1/get_log_stream/{id}", admin, (*Server).getLogStream, "", ""},
	{"POST", "/api/v1/create_log_stream", admin, (*Server).createLogStream, "", ""},
	{"POST", "/api/v1/update_log_stream/{id}", admin, (*Server).updateLogStream, "", ""},
	{"POST", "/api/v1/delete_log_stream/{id}", admin, (*Server).deleteLogStream, "", ""},
	{"POST", "/api/v1/rotate_webhook_secret/{id}", admin, (*Server).rotateWebhookSecret, "", ""},
	{"GET", "/api/stream_function_logs", admin, (*Server).functionLogs, "", ""},
	{"GET", "/api/app_metrics/stream_function_logs", admin, (*Server).functionLogs, "", ""},
	{"GET", "/api/stream_udf_execution", admin, (*Server).completions, "", ""},
	{"GET", "/api/app_metrics/stream_udf_execution", admin, (*Server).completions, "", ""},

	// the deployment itself
	{"GET", "/api/v1/get_canonical_urls", admin, (*Server).canonicalURLs, "", ""},
	{"GET", "/api/check_admin_key", admin, (*Server).checkAdminKey, "", ""},
	{"GET", "/api/v1/deployment_info", admin, (*Server).deploymentInfo, "", ""},
	{"GET", "/api/shapes2", admin, (*Server).shapes, "", ""},
	{"HEAD", "/api/authorize", anyone, (*Server).authorize, "", ""},
	{"POST", "/api/check_opt_ins", anyone, (*Server).checkOptIns, "", ""},
	{"POST", "/api/debug_event", anyone, (*Server).ignore, "", ""},
	{"GET", udf.JWKSPath, anyone, (*Server).jwks, "", ""},
	{"GET", "/metrics", anyone, (*Server).metrics, "", ""}, // which sees to it itself
	{"GET", "/health", anyone, (*Server).health, "", ""},
	{"GET", "/_lentil/status", admin, (*Server).status, "", ""},
	{"GET", "/_lentil/v1/diagnosis", admin, (*Server).diagnosis, "", ""},
	{"GET", "/version", anyone, (*Server).version, "", ""},
	{"GET", "/instance_version", anyone, (*Server).version, "", ""},
	{"GET", "/instance_name", anyone, (*Server).instanceName, "", ""},
	{"POST", "/echo", anyone, (*Server).echo, "", ""},
	{"GET", "/{$}", anyone, (*Server).root, "", ""},

	// known, and not offered yet
	{"", "/api/get_config", anyone, nil, "GetConfigNotSupported", "Reading back pushed sources (`/api/get_config`)"},
	{"", "/api/get_table_column_names", anyone, nil, "ColumnNamesNotSupported", "Listing the columns of tables"},
	{"", "/api/streaming_import/replace_tables", anyone, nil, "ReplaceTablesNotSupported", "Replacing tables (which the official service has given up for `clear_tables`)"},
	{"", "/api/streaming_import/", anyone, nil, "StreamingImportNotSupported", "This route of streaming import (those of the connector for Airbyte are offered)"},
	{"", "/api/app_metrics/", anyone, nil, "MetricsNotSupported", "Function metrics"},
	{"", "/api/actions/", anyone, nil, "NodeActionsNotSupported", "Callbacks of a foreign Node.js executor (ours makes none)"},
	{"", "/api/v1/", anyone, nil, "PlatformRouteNotSupported", "This route of the platform API"},
	{"", "/api/", anyone, unknown, "", ""},
}

// refusal is how a route without a handler answers.
func (r *route) refusal() error {
	return apierr.New(apierr.Unsupported, r.code, "%s is not offered by this version of Lentil.", r.feature)
}

// RouteCoverage is one line of the table as docs/SUPPORTED.md shows it.
type RouteCoverage struct {
	Method, Pattern string // method "" is all
	Offered         bool
	Code, Feature   string // how the refusal of a route that is not offered names it
}

// Coverage lists the routes in the order of the table, without the catch-all.
func Coverage() []RouteCoverage {
	var all []RouteCoverage
	for _, r := range routes {
		if r.pattern != "/api/" {
			all = append(all, RouteCoverage{r.method, r.pattern, r.handle != nil, r.code, r.feature})
		}
	}
	return all
}

// unknown answers every other path below /api/.
func unknown(_ *Server, q *request) error {
	return apierr.New(apierr.Unsupported, "UnknownRoute",
		"%s %s is not a route of a deployment. Is the client newer than this version of Lentil?", q.Method, clip(q.URL.Path))
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
