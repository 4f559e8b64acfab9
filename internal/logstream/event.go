package logstream

import (
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/udf"
)

// event is one thing that happened, as receivers get it. Names are those of the npm
// package @convex-dev/platform 0.1.10, logStreamApi.
type event struct {
	topic string
	body  json.RawMessage
}

// function names what ran.
type function struct {
	Type      string  `json:"type"`
	Path      string  `json:"path"`
	Component *string `json:"component_path,omitempty"`
	Cached    *bool   `json:"cached,omitempty"`
	RequestID string  `json:"request_id"`
}

// deployment names where it ran.
type deployment struct {
	Name string `json:"deployment_name"`
}

// console is a line that a function printed.
type console struct {
	Topic      string     `json:"topic"`
	Timestamp  int64      `json:"timestamp"` // milliseconds
	Deployment deployment `json:"convex"`
	Function   function   `json:"function"`
	Level      string     `json:"log_level"`
	Message    string     `json:"message"`
	Truncated  bool       `json:"is_truncated"`
	Code       *string    `json:"system_code,omitempty"`
}

// execution is a function that ended.
type execution struct {
	Topic      string     `json:"topic"`
	Timestamp  int64      `json:"timestamp"` // milliseconds
	Deployment deployment `json:"convex"`
	Function   function   `json:"function"`
	Millis     int64      `json:"execution_time_ms"`
	Status     string     `json:"status"`
	Error      *string    `json:"error_message,omitempty"`
	Conflict   *conflict  `json:"occ_info,omitempty"`
	Usage      usage      `json:"usage"`
}

// conflict tells which table made a mutation try again.
type conflict struct {
	Table   string `json:"table_name,omitempty"`
	Retries int    `json:"retry_count"`
}

// usage is what an execution used; what is not counted is 0.
type usage struct {
	ReadBytes      int `json:"database_read_bytes"`
	WriteBytes     int `json:"database_write_bytes"`
	ReadDocuments  int `json:"database_read_documents"`
	IOReadBytes    int `json:"database_io_read_bytes"`
	IOWriteBytes   int `json:"database_io_write_bytes"`
	FileReadBytes  int `json:"file_storage_read_bytes"`
	FileWriteBytes int `json:"file_storage_write_bytes"`
	VectorRead     int `json:"vector_storage_read_bytes"`
	VectorWrite    int `json:"vector_storage_write_bytes"`
	VectorQuery    int `json:"vector_search_query_bytes"`
	VectorWrites   int `json:"vector_search_write_query_bytes"`
	TextQuery      int `json:"text_search_query_bytes"`
	TextWrites     int `json:"text_search_write_query_bytes"`
	Egress         int `json:"network_egress_bytes"`
	AuditEgress    int `json:"audit_log_egress_bytes"`
	MemoryMB       int `json:"action_memory_used_mb,omitempty"`
}

// verification is what a new receiver gets first.
type verification struct {
	Topic      string     `json:"topic"`
	Timestamp  int64      `json:"timestamp"`
	Deployment deployment `json:"convex"`
	Message    string     `json:"message"`
}

// kinds are the kinds of functions as events name them.
var kinds = map[string]string{"Query": "query", "Mutation": "mutation", "Action": "action", "HttpAction": "http_action"}

// makeEvent encodes an event.
func makeEvent(topic string, v any) event {
	b, _ := json.Marshal(v) // texts and numbers always encode
	return event{topic, b}
}

// eventsOf are the events of a log entry.
func (s *Service) eventsOf(e *udf.LogEntry) (list []event) {
	f := function{Type: kinds[e.UDFType], Path: e.Identifier, Component: e.ComponentPath, RequestID: e.RequestID}
	if e.Completion != nil && e.UDFType == "Query" {
		f.Cached = &e.CachedResult
	}
	at := deployment{s.Name}
	for _, l := range e.LogLines {
		c := console{topicConsole, l.Timestamp, at, f, l.Level, strings.Join(l.Messages, " "), l.IsTruncated, nil}
		if l.SystemMetadata != nil {
			c.Code = &l.SystemMetadata.Code
		}
		list = append(list, makeEvent(topicConsole, c))
	}
	if e.Completion == nil {
		return list
	}
	u := e.UsageStats
	x := execution{Topic: topicExecution, Timestamp: int64(e.Timestamp * 1000), Deployment: at, Function: f, Millis: int64(e.ExecutionTime * 1000), Status: "success", Error: e.Error,
		Usage: usage{
			ReadBytes: u.DatabaseReadBytes, WriteBytes: u.DatabaseWriteBytes, ReadDocuments: u.DatabaseReadDocuments, IOReadBytes: u.DatabaseReadBytes, IOWriteBytes: u.DatabaseWriteBytes,
			FileReadBytes: u.StorageReadBytes, FileWriteBytes: u.StorageWriteBytes, VectorRead: u.VectorIndexReadBytes, VectorWrite: u.VectorIndexWriteBytes, MemoryMB: u.MemoryUsedMB,
		}}
	if e.Error != nil {
		x.Status = "failure"
	}
	if e.OCCInfo != nil {
		x.Conflict = &conflict{e.OCCInfo.TableName, e.OCCInfo.RetryCount}
	}
	return append(list, makeEvent(topicExecution, x))
}
