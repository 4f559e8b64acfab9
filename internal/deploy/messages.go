package deploy

import (
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/udf"
)

// StartPushRequest is the body of start_push and evaluate_schema (convex-cli §2.6).
// Members it does not name are ignored, as newer clients may send more.
type StartPushRequest struct {
	DryRun               bool                  `json:"dryRun"`
	Functions            string                `json:"functions"` // directory of functions, "convex/"
	AppDefinition        AppDefinition         `json:"appDefinition"`
	ComponentDefinitions []ComponentDefinition `json:"componentDefinitions"`
	NodeDependencies     []NodeDependency      `json:"nodeDependencies"`
	NodeVersion          string                `json:"nodeVersion"`
	ForCodegen           bool                  `json:"forCodegen"`
}

// AppDefinition is the code of the app itself.
type AppDefinition struct {
	Definition            *Module      `json:"definition"` // convex.config.js, also when the app has none
	Dependencies          []string     `json:"dependencies"`
	Schema                *Module      `json:"schema"`
	ChangedModules        []Module     `json:"changedModules"`
	UnchangedModuleHashes []ModuleHash `json:"unchangedModuleHashes"`
	UDFServerVersion      string       `json:"udfServerVersion"`
}

// ComponentDefinition is the code of a component, which may be mounted many times.
// All of it is sent with each push.
type ComponentDefinition struct {
	DefinitionPath   string   `json:"definitionPath"` // from the app's folder, "../node_modules/@convex-dev/…"
	Definition       *Module  `json:"definition"`     // convex.config.js
	Dependencies     []string `json:"dependencies"`   // definitions of its children
	Schema           *Module  `json:"schema"`
	Functions        []Module `json:"functions"`
	UDFServerVersion string   `json:"udfServerVersion"`
}

// NodeDependency is an npm package that "use node" modules want installed.
type NodeDependency struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Module is one bundled module.
type Module struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	SourceMap   string `json:"sourceMap,omitempty"`
	Environment string `json:"environment"` // "isolate" or "node"
}

// ModuleHash stands for a module that the server has already.
type ModuleHash struct {
	Path        string `json:"path"`
	Environment string `json:"environment"`
	SHA256      string `json:"sha256"`
}

// StartPushResponse is the answer to start_push. The client sends it back with
// finish_push; only the push's id in SchemaChange is looked at then.
type StartPushResponse struct {
	EnvironmentVariables        map[string]string               `json:"environmentVariables"`
	ExternalDepsID              *string                         `json:"externalDepsId"`
	ComponentDefinitionPackages map[string]any                  `json:"componentDefinitionPackages"`
	AppAuth                     json.RawMessage                 `json:"appAuth"`
	Analysis                    map[string]*EvaluatedDefinition `json:"analysis"`
	App                         *CheckedComponent               `json:"app"`
	SchemaChange                SchemaChange                    `json:"schemaChange"`
}

// EvaluatedDefinition is what the inspection of a definition found.
type EvaluatedDefinition struct {
	Definition *Definition                `json:"definition"`
	Schema     json.RawMessage            `json:"schema"`
	Functions  map[string]*AnalyzedModule `json:"functions"`
	UDFConfig  UDFConfig                  `json:"udfConfig"`
}

// Definition is what convex.config exports.
type Definition struct {
	Path            string            `json:"path"`
	DefinitionType  json.RawMessage   `json:"definitionType"`
	Name            string            `json:"name,omitempty"` // of a component, unless its parent gives another
	ChildComponents []ChildComponent  `json:"childComponents"`
	HTTPMounts      map[string]string `json:"httpMounts"`
	HTTPPrefix      string            `json:"httpPrefix,omitempty"`
	Exports         json.RawMessage   `json:"exports"`
	EnvVars         json.RawMessage   `json:"envVars,omitempty"`
}

// ChildComponent is one mounting of a component within a definition. Args are written
// by libraries of old only.
type ChildComponent struct {
	Name string          `json:"name"`
	Path string          `json:"path"` // of the definition
	Args []ComponentArg  `json:"args"`
	Env  []ComponentBind `json:"env"`
}

// ComponentArg and ComponentBind are pairs of a name and a value.
type (
	ComponentArg  [2]json.RawMessage
	ComponentBind [2]json.RawMessage
)

// boundValue is the value of such a pair: JSON text, a text, or a variable of the parent.
type boundValue struct {
	Type  string `json:"type"` // "value" or "envVar"
	Value string `json:"value"`
	Name  string `json:"name"`
}

// AnalyzedModule is what the inspection of one module found.
type AnalyzedModule struct {
	Functions    []AnalyzedFunction `json:"functions"`
	HTTPRoutes   json.RawMessage    `json:"httpRoutes"`
	CronSpecs    json.RawMessage    `json:"cronSpecs"`
	SourceMapped json.RawMessage    `json:"sourceMapped"`
}

// AnalyzedFunction is one registered function. Validators are JSON within a string.
type AnalyzedFunction struct {
	Name       string        `json:"name"`
	Pos        *udf.Position `json:"pos"`
	UDFType    string        `json:"udfType"`
	Visibility *Visibility   `json:"visibility"`
	Args       *string       `json:"args"`
	Returns    *string       `json:"returns"`
}

// Visibility is "public" or "internal".
type Visibility struct {
	Kind string `json:"kind"`
}

// UDFConfig says how modules are evaluated, in Convex-JSON.
type UDFConfig struct {
	ServerVersion            string          `json:"serverVersion"`
	ImportPhaseRngSeed       json.RawMessage `json:"importPhaseRngSeed"`
	ImportPhaseUnixTimestamp json.RawMessage `json:"importPhaseUnixTimestamp"`
}

// CheckedComponent is the tree of component instances, from the app down.
type CheckedComponent struct {
	DefinitionPath  string                       `json:"definitionPath"`
	ComponentPath   string                       `json:"componentPath"`
	HTTPPrefix      string                       `json:"httpPrefix,omitempty"`
	Args            map[string]any               `json:"args"`
	ChildComponents map[string]*CheckedComponent `json:"childComponents"`
	HTTPRoutes      HTTPRoutes                   `json:"httpRoutes"`
	Exports         map[string]any               `json:"exports"`
}

// HTTPRoutes are the routes of a component.
type HTTPRoutes struct {
	HTTPModuleRoutes []any    `json:"httpModuleRoutes"` // nil without http.js
	Mounts           []string `json:"mounts"`
}

// SchemaChange is the part of a push that wait_for_schema waits for. The id of
// the push travels in SchemaIDs, under the app's component path.
type SchemaChange struct {
	AllocatedComponentIDs map[string]string    `json:"allocatedComponentIds"`
	SchemaIDs             map[string]string    `json:"schemaIds"`
	IndexDiffs            map[string]IndexDiff `json:"indexDiffs"`
}

// IndexDiff is what a push does to indexes.
type IndexDiff struct {
	Added    []IndexConfig `json:"added_indexes"`
	Removed  []IndexConfig `json:"removed_indexes"`
	Enabled  []IndexConfig `json:"enabled_indexes"`
	Disabled []IndexConfig `json:"disabled_indexes"`
}

// IndexConfig describes one index; Name is "table.index". Each type has fields
// of its own, which the CLI wants to be there for it and not for others.
type IndexConfig struct {
	Name         string   `json:"name"`
	Type         string   `json:"type"`                  // "database", "search" or "vector"
	Fields       []string `json:"fields,omitempty"`      // database
	SearchField  string   `json:"searchField,omitempty"` // search
	VectorField  string   `json:"vectorField,omitempty"` // vector
	Dimensions   int      `json:"dimensions,omitempty"`
	FilterFields []string `json:"filterFields,omitzero"` // search and vector
	Staged       bool     `json:"staged,omitempty"`
}

// WaitRequest is the body of wait_for_schema (convex-cli §2.7).
type WaitRequest struct {
	SchemaChange SchemaChange `json:"schemaChange"`
	TimeoutMS    *float64     `json:"timeoutMs"`
	DryRun       bool         `json:"dryRun"`
}

// SchemaStatus is the answer to wait_for_schema.
type SchemaStatus struct {
	Type          string                     `json:"type"` // see the constants
	Components    map[string]ComponentStatus `json:"components,omitempty"`
	Error         string                     `json:"error,omitempty"`
	ComponentPath *string                    `json:"componentPath,omitempty"`
	TableName     *string                    `json:"tableName,omitempty"`
}

// Types of a SchemaStatus.
const (
	StatusInProgress   = "inProgress"
	StatusComplete     = "complete"
	StatusFailed       = "failed"
	StatusRaceDetected = "raceDetected"
)

// ComponentStatus says how far a push is.
type ComponentStatus struct {
	SchemaValidationComplete bool `json:"schemaValidationComplete"`
	IndexesComplete          int  `json:"indexesComplete"`
	IndexesTotal             int  `json:"indexesTotal"`
}

// FinishPushRequest is the body of finish_push (convex-cli §2.8).
type FinishPushRequest struct {
	StartPush struct {
		SchemaChange SchemaChange `json:"schemaChange"`
	} `json:"startPush"`
	DryRun  bool    `json:"dryRun"`
	Message *string `json:"message"`
}

// FinishPushDiff is the answer to finish_push: what became different.
type FinishPushDiff struct {
	AuthDiff        NameDiff                 `json:"authDiff"`
	DefinitionDiffs map[string]any           `json:"definitionDiffs"`
	ComponentDiffs  map[string]ComponentDiff `json:"componentDiffs"`
}

// NameDiff lists what came and what went.
type NameDiff struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

// ComponentDiff is what became different in one component.
type ComponentDiff struct {
	DiffType      DiffType           `json:"diffType"`
	ModuleDiff    NameDiff           `json:"moduleDiff"`
	UDFConfigDiff *UDFConfigDiff     `json:"udfConfigDiff"`
	CronDiff      scheduler.CronDiff `json:"cronDiff"`
	IndexDiff     IndexDiff          `json:"indexDiff"`
	SchemaDiff    *SchemaDiff        `json:"schemaDiff"`
}

// DiffType is "create", "modify", "unmount" or "remount".
type DiffType struct {
	Type string `json:"type"`
}

// UDFConfigDiff is a change of the library's version.
type UDFConfigDiff struct {
	Previous string `json:"previous_version"`
	Next     string `json:"next_version"`
}

// SchemaDiff is a change of the schema, as JSON text; nil for none.
type SchemaDiff struct {
	Previous *string `json:"previous_schema"`
	Next     *string `json:"next_schema"`
}

// ConfigHashes is the answer to get_config_hashes (convex-cli §2.4).
type ConfigHashes struct {
	Config           Config             `json:"config"`
	ModuleHashes     []ConfigModuleHash `json:"moduleHashes"`
	UDFServerVersion *string            `json:"udfServerVersion"`
	NodeVersion      *string            `json:"nodeVersion,omitempty"` // absent when not chosen: clients compare it with undefined
}

// Config is the project's configuration as the server knows it.
type Config struct {
	Functions string          `json:"functions"`
	AuthInfo  json.RawMessage `json:"authInfo"`
}

// ConfigModuleHash is one live module.
type ConfigModuleHash struct {
	Path        string `json:"path"`
	Hash        string `json:"hash"`
	Environment string `json:"environment"`
}

// UpdateEnvironmentRequest is the body of update_environment_variables.
type UpdateEnvironmentRequest struct {
	Changes []udf.EnvChange `json:"changes"`
}

// EvaluateSchemaResponse is the answer to evaluate_schema (convex-cli §2.5).
type EvaluateSchemaResponse struct {
	Evaluations    map[string]*SchemaPrediction `json:"componentSchemaEvaluations"`
	NewDefinitions []string                     `json:"newComponentDefinitions"`
}

// SchemaPrediction says what a push of a schema would have to do.
type SchemaPrediction struct {
	DefinitionPath   string            `json:"definitionPath"`
	SchemaValidation bool              `json:"schemaValidation"`
	Tables           []TablePrediction `json:"tables"`
	Indexes          []IndexPrediction `json:"indexes"`
}

// TablePrediction says whether a table's documents would have to be looked at.
type TablePrediction struct {
	Name      string `json:"name"`
	Outcome   string `json:"outcome"`
	NumDocs   int    `json:"numDocs"`
	SizeBytes int    `json:"sizeBytes"`
}

// IndexPrediction says what would happen to an index.
type IndexPrediction struct {
	IndexConfig
	Change        string `json:"change"`
	NeedsBackfill bool   `json:"needsBackfill"`
	NumDocs       int    `json:"numDocs"`
}

// EvaluatePushResponse is the answer to evaluate_push.
type EvaluatePushResponse struct {
	SchemaChange SchemaChange `json:"schemaChange"`
}
