package udf

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// Tables of the registry. Each is created at Open; users never see them.
const (
	configTable      = "_udf_config"            // one row: the live package
	moduleTable      = "_modules"               // a row for each live module
	sourceTable      = "_module_sources"        // text of modules by hash, in parts
	environmentTable = "_environment_variables" // one row: all variables
	authTable        = "_auth"                  // one row: accepted providers
	schemaTable      = "_schemas"               // the active schema; deploy adds rows in other states
	stagedTable      = "_staged_validators"     // a row for each staged validator of the active schema
	handleTable      = "_function_handles"      // a row for each function that ever was live
	requestTable     = "_session_requests"      // what mutations of sessions answered
)

// Indexes of these tables.
const (
	byPath    = "by_path"
	byHash    = "by_hash"
	byState   = "by_state"
	byTable   = "by_table"
	byRequest = "by_session_id_and_request_id"
)

// tables are the tables the registry needs, with their indexes.
var tables = []database.TableDef{
	{Name: configTable},
	{Name: moduleTable, Indexes: []database.IndexDef{{Name: byPath, Fields: []string{"path"}}}},
	{Name: sourceTable, Indexes: []database.IndexDef{{Name: byHash, Fields: []string{"hash", "part"}}}},
	{Name: environmentTable},
	{Name: authTable},
	{Name: schemaTable, Indexes: []database.IndexDef{{Name: byState, Fields: []string{"state"}}}},
	{Name: componentTable},
	{Name: handleTable, Indexes: []database.IndexDef{{Name: byPath, Fields: []string{"path"}}}},
	{Name: stagedTable, Indexes: []database.IndexDef{{Name: byTable, Fields: []string{"table"}}}},
	{Name: signingTable},
	{Name: AuditTable},
	{Name: requestTable, Indexes: []database.IndexDef{{Name: byRequest, Fields: []string{"sessionId", "requestId"}}}},
}

// Package is everything a push makes live at once in the app or in one component:
// what InstallModules writes, into the namespace of its transaction.
type Package struct {
	// Component is the path of the instance; "" for the app.
	Component string
	// Modules are all its modules. Those whose Source is set are stored; of the others only the hash
	// counts, their source must already be stored (see StoreSources).
	Modules []ModuleRow
	Config  Config
}

// Config is the row that says how the live modules are evaluated.
type Config struct {
	ServerVersion              string   // npm version of the library that bundled the modules
	ImportPhaseRngSeed         [32]byte // seeds Math.random while modules are evaluated
	ImportPhaseUnixTimestampMS int64    // Date.now() while modules are evaluated
	// NodePackages are the npm packages that "use node" modules import and do not contain, in the order pushed.
	NodePackages []node.Package
	// NodeVersion is the Node.js that the project asks for, "" for any.
	NodeVersion string
	// Digest names the package: equal digests mean equal modules and equal settings of these, so that there
	// is nothing to change. InstallModules computes it.
	Digest string
}

// ModuleRow is one module of the live package.
type ModuleRow struct {
	Path        string // "messages.js", "dir/mod.js", "_deps/X.js"
	Environment string // "isolate" or "node"
	Hash        string // lower hex SHA-256 over source, then source map
	Functions   []FunctionRow
	// Analysis is whatever else the push learned of the module (HTTP routes, cron specifications, whether positions
	// are source-mapped), as JSON; only deploy looks into it. Nil when there is nothing.
	Analysis []byte

	// Source and SourceMap are set by whoever installs, and by LoadSources; LiveModules leaves them empty.
	Source, SourceMap string
}

// FunctionRow is one registered function of a module.
type FunctionRow struct {
	Name    string // export name
	Kind    Kind
	Public  bool
	Args    *schema.Validator // nil accepts anything
	Returns *schema.Validator // nil accepts anything
	Pos     *Position         // where it is written; nil when unknown
}

// Position is a place in the source as its author wrote it.
type Position struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_lineno"`
	StartCol  int    `json:"start_col"`
}

// functionJSON is how a function of a module is stored, in the member "functions" of its row.
type functionJSON struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	Public  bool            `json:"public"`
	Args    json.RawMessage `json:"args,omitempty"`
	Returns json.RawMessage `json:"returns,omitempty"`
	Pos     *Position       `json:"pos,omitempty"`
}

// single reads the only row of a table; nil when it was never written. Either way the read is recorded.
func single(ctx context.Context, tx *database.Tx, table string) (*database.Document, error) {
	c := tx.Scan(table, byCreationTime, database.Interval{}, database.Asc)
	defer c.Close()
	doc, err := c.Next(ctx)
	if err != nil {
		return nil, fmt.Errorf("udf: read %s: %w", table, err)
	}
	return doc, nil
}

// setSingle writes the only row of a table.
func setSingle(ctx context.Context, tx *database.Tx, table string, fields value.Object) error {
	doc, err := single(ctx, tx, table)
	if err != nil {
		return err
	}
	if doc == nil {
		_, err = tx.Insert(ctx, table, fields)
	} else {
		err = tx.Replace(ctx, doc.ID, fields)
	}
	if err != nil {
		return fmt.Errorf("udf: write %s: %w", table, err)
	}
	return nil
}

// scan calls f for the rows of an index that begin with the given values.
func scan(ctx context.Context, tx *database.Tx, table, index string, prefix []value.Value, f func(*database.Document) error) error {
	lower, upper := rangeBounds{equal: prefix}.keyRange()
	c := tx.Scan(table, index, database.Interval{Lower: lower, Upper: upper}, database.Asc)
	defer c.Close()
	for {
		doc, err := c.Next(ctx)
		if err != nil {
			return fmt.Errorf("udf: read %s: %w", table, err)
		}
		if doc == nil {
			return nil
		}
		if err := f(doc); err != nil {
			return err
		}
	}
}

// text is a string field of one of our own rows; "" when absent.
func text(o value.Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.(value.String)
	return string(s)
}

// LiveModules lists the modules that are live in the transaction's snapshot, by
// path, without their sources. Validators in them are shared and must not be changed.
func LiveModules(ctx context.Context, tx *database.Tx) ([]ModuleRow, error) {
	var rows []ModuleRow
	err := scan(ctx, tx, moduleTable, byPath, nil, func(doc *database.Document) error {
		m, err := moduleOf(doc.Object())
		rows = append(rows, m)
		return err
	})
	return rows, err
}

// moduleOf reads a row of the module table.
func moduleOf(o value.Object) (ModuleRow, error) {
	m := ModuleRow{Path: text(o, "path"), Environment: text(o, "environment"), Hash: text(o, "hash")}
	if a := text(o, "analysis"); a != "" {
		m.Analysis = []byte(a)
	}
	var list []functionJSON
	if err := json.Unmarshal([]byte(text(o, "functions")), &list); err != nil {
		return m, fmt.Errorf("udf: read functions of %s: %w", m.Path, err)
	}
	for _, f := range list {
		kind, _ := KindNamed(f.Kind)
		row := FunctionRow{Name: f.Name, Kind: kind, Public: f.Public, Pos: f.Pos}
		var err error
		if row.Args, err = parseStored(f.Args); err != nil {
			return m, fmt.Errorf("udf: read arguments of %s:%s: %w", m.Path, f.Name, err)
		}
		if row.Returns, err = parseStored(f.Returns); err != nil {
			return m, fmt.Errorf("udf: read result of %s:%s: %w", m.Path, f.Name, err)
		}
		m.Functions = append(m.Functions, row)
	}
	return m, nil
}

// parseStored reads a validator of a row; nil when there is none.
func parseStored(raw json.RawMessage) (*schema.Validator, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	return schema.ParseValidator(raw)
}

// fieldsOf is the row of a module.
func (m *ModuleRow) fieldsOf() (value.Object, error) {
	list := make([]functionJSON, 0, len(m.Functions))
	for _, f := range m.Functions {
		j := functionJSON{Name: f.Name, Kind: f.Kind.String(), Public: f.Public, Pos: f.Pos}
		if f.Args != nil {
			j.Args = f.Args.JSON()
		}
		if f.Returns != nil {
			j.Returns = f.Returns.JSON()
		}
		list = append(list, j)
	}
	functions, err := json.Marshal(list)
	if err != nil {
		return value.Object{}, fmt.Errorf("udf: store functions of %s: %w", m.Path, err)
	}
	return value.ObjectOf(
		value.Field{Name: "path", Value: value.String(m.Path)},
		value.Field{Name: "environment", Value: value.String(m.Environment)},
		value.Field{Name: "hash", Value: value.String(m.Hash)},
		value.Field{Name: "functions", Value: value.String(functions)},
		value.Field{Name: "analysis", Value: value.String(m.Analysis)},
	), nil
}

// LiveConfig is the configuration of the live package; ok is false before the first push.
func LiveConfig(ctx context.Context, tx *database.Tx) (c Config, ok bool, err error) {
	doc, err := single(ctx, tx, configTable)
	if err != nil || doc == nil {
		return Config{}, false, err
	}
	return configOf(doc.Object()), true, nil
}

// configOf reads the configuration row.
func configOf(o value.Object) Config {
	c := Config{ServerVersion: text(o, "serverVersion"), Digest: text(o, "digest"), NodeVersion: text(o, "nodeVersion")}
	if list := text(o, "nodePackages"); list != "" {
		_ = json.Unmarshal([]byte(list), &c.NodePackages) // written below; what cannot be read is none
	}
	if v, _ := o.Get("importPhaseRngSeed"); v != nil {
		b, _ := v.(value.Bytes)
		copy(c.ImportPhaseRngSeed[:], b)
	}
	if v, _ := o.Get("importPhaseUnixTimestamp"); v != nil {
		n, _ := v.(value.Int64)
		c.ImportPhaseUnixTimestampMS = int64(n)
	}
	return c
}

// fields is the configuration row.
func (c Config) fields() value.Object {
	packages := ""
	if len(c.NodePackages) > 0 {
		b, _ := json.Marshal(c.NodePackages) // strings alone
		packages = string(b)
	}
	return value.ObjectOf(
		value.Field{Name: "nodePackages", Value: value.String(packages)},
		value.Field{Name: "nodeVersion", Value: value.String(c.NodeVersion)},
		value.Field{Name: "serverVersion", Value: value.String(c.ServerVersion)},
		value.Field{Name: "digest", Value: value.String(c.Digest)},
		value.Field{Name: "importPhaseRngSeed", Value: value.Bytes(c.ImportPhaseRngSeed[:])},
		value.Field{Name: "importPhaseUnixTimestamp", Value: value.Int64(c.ImportPhaseUnixTimestampMS)},
	)
}
