package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// pushTable holds a row for each push that is not over: its state, when it
// began (milliseconds), and its content as JSON text.
const pushTable = "_pushes"

// push is a push as it is stored. Sources of modules are stored by udf.
type push struct {
	id      string // of its row; for a dry run, a name of its own
	row     value.ID
	state   state
	created time.Time
	failure failure // of a failed push
	content content
	parts   []*part // of content: the app first
}

// part is the app or a component instance within a push.
type part struct {
	stored *storedPart
	schema *schema.Schema // parsed; nil for none
}

// failure says which document does not match, and in which component.
type failure struct{ Error, Table, Component string }

// content is what a push installs, as JSON. Unknown members of later versions
// do not matter: no push lives longer than an upgrade needs.
type content struct {
	Parts        []storedPart     `json:"parts"` // the app first
	Seed         []byte           `json:"importPhaseRngSeed"`
	Timestamp    int64            `json:"importPhaseUnixTimestamp"`
	Providers    []token.Provider `json:"providers"`
	Environment  string           `json:"environment"`       // digest of the owner's variables
	Required     []string         `json:"requiredVariables"` // that convex.config.ts declares
	NodePackages []node.Package   `json:"nodePackages,omitempty"`
	NodeVersion  string           `json:"nodeVersion,omitempty"`
}

// storedPart is what the app or one component instance gets.
type storedPart struct {
	Instance udf.Component        `json:"instance"` // its namespace is not known before the end
	Modules  []storedModule       `json:"modules"`
	Version  string               `json:"serverVersion"`
	Schema   json.RawMessage      `json:"schema,omitempty"`
	Crons    []scheduler.CronSpec `json:"crons,omitempty"`
}

// storedModule is a module within content.
type storedModule struct {
	Path        string           `json:"path"`
	Environment string           `json:"environment"`
	Hash        string           `json:"hash"`
	Functions   []storedFunction `json:"functions,omitempty"`
	Analysis    json.RawMessage  `json:"analysis,omitempty"`
}

// storedFunction is a function within content.
type storedFunction struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	Public  bool            `json:"public"`
	Args    json.RawMessage `json:"args,omitempty"`
	Returns json.RawMessage `json:"returns,omitempty"`
	Pos     *udf.Position   `json:"pos,omitempty"`
}

// contentOf prepares an inspected push for storing.
func contentOf(in *inspection, owned map[string]string) (content, error) {
	required, err := in.definition.requiredVariables()
	if err != nil {
		return content{}, err
	}
	c := content{
		Seed: in.pkg.Config.ImportPhaseRngSeed[:], Timestamp: in.pkg.Config.ImportPhaseUnixTimestampMS,
		Providers: in.providers, Environment: environmentDigest(owned), Required: required,
		NodePackages: in.pkg.Config.NodePackages, NodeVersion: in.pkg.Config.NodeVersion,
	}
	for _, instance := range in.instances {
		of := &in.inspected
		if instance.Path != "" {
			of = in.definitions[instance.Definition]
		}
		c.Parts = append(c.Parts, of.storedPart(instance))
	}
	return c, nil
}

// storedPart prepares what an instance of a definition gets for storing.
func (in *inspected) storedPart(instance udf.Component) storedPart {
	c := storedPart{Instance: instance, Version: in.pkg.Config.ServerVersion, Crons: in.crons}
	if in.schema != nil {
		c.Schema = in.schema.JSON()
	}
	for _, m := range in.pkg.Modules {
		sm := storedModule{Path: m.Path, Environment: m.Environment, Hash: m.Hash, Analysis: m.Analysis}
		for _, f := range m.Functions {
			sf := storedFunction{Name: f.Name, Kind: f.Kind.String(), Public: f.Public, Pos: f.Pos}
			if f.Args != nil {
				sf.Args = f.Args.JSON()
			}
			if f.Returns != nil {
				sf.Returns = f.Returns.JSON()
			}
			sm.Functions = append(sm.Functions, sf)
		}
		c.Modules = append(c.Modules, sm)
	}
	return c
}

// pkg is the package that the push makes live in a part of it, without sources.
func (c *content) pkg(part *storedPart) (udf.Package, error) {
	p := udf.Package{Component: part.Instance.Path, Config: udf.Config{ServerVersion: part.Version, ImportPhaseUnixTimestampMS: c.Timestamp}}
	if p.Component == "" { // components do not run in Node.js
		p.Config.NodePackages, p.Config.NodeVersion = c.NodePackages, c.NodeVersion
	}
	copy(p.Config.ImportPhaseRngSeed[:], c.Seed)
	for _, m := range part.Modules {
		row := udf.ModuleRow{Path: m.Path, Environment: m.Environment, Hash: m.Hash, Analysis: m.Analysis}
		for _, f := range m.Functions {
			kind, _ := udf.KindNamed(f.Kind)
			fr := udf.FunctionRow{Name: f.Name, Kind: kind, Public: f.Public, Pos: f.Pos}
			var err error
			if len(f.Args) > 0 {
				if fr.Args, err = schema.ParseValidator(f.Args); err != nil {
					return p, fmt.Errorf("deploy: read stored push: %w", err)
				}
			}
			if fr.Returns, err = schema.ParseReturns(f.Returns); err != nil {
				return p, fmt.Errorf("deploy: read stored push: %w", err)
			}
			row.Functions = append(row.Functions, fr)
		}
		p.Modules = append(p.Modules, row)
	}
	return p, nil
}

// environmentDigest tells whether variables are the same as before.
func environmentDigest(env map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(h, "%q=%q\n", name, env[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fields is the push as a row.
func (p *push) fields() (value.Object, error) {
	text, err := json.Marshal(p.content)
	if err != nil {
		return value.Object{}, fmt.Errorf("deploy: store push: %w", err)
	}
	return value.ObjectOf(
		value.Field{Name: "state", Value: value.String(p.state)},
		value.Field{Name: "created", Value: value.Float64(p.created.UnixMilli())},
		value.Field{Name: "error", Value: value.String(p.failure.Error)},
		value.Field{Name: "table", Value: value.String(p.failure.Table)},
		value.Field{Name: "component", Value: value.String(p.failure.Component)},
		value.Field{Name: "push", Value: value.String(text)},
	), nil
}

// pushOf reads a row.
func pushOf(d *database.Document) (*push, error) {
	o := d.Object()
	text := func(name string) string {
		v, _ := o.Get(name)
		s, _ := v.(value.String)
		return string(s)
	}
	created, _ := value.Path(o, "created").(value.Float64)
	p := &push{
		id: d.ID.String(), row: d.ID, state: state(text("state")), created: time.UnixMilli(int64(created)),
		failure: failure{text("error"), text("table"), text("component")},
	}
	if err := json.Unmarshal([]byte(text("push")), &p.content); err != nil {
		return nil, fmt.Errorf("deploy: read stored push: %w", err)
	}
	return p, p.parse()
}

// parse fills in the parts from the content.
func (p *push) parse() error {
	for i := range p.content.Parts {
		x := &part{stored: &p.content.Parts[i]}
		if text := x.stored.Schema; len(text) > 0 && string(text) != "null" {
			var err error
			if x.schema, err = schema.ParseSchema(text); err != nil {
				return fmt.Errorf("deploy: read stored push: %w", err)
			}
		}
		p.parts = append(p.parts, x)
	}
	if len(p.parts) == 0 {
		return fmt.Errorf("deploy: stored push %s is empty", p.id)
	}
	return nil
}

// load finds the push with an id; nil when it is over. An id that no push ever
// had is refused.
func load(ctx context.Context, tx *database.Tx, id string) (*push, error) {
	parsed, err := value.ParseID(id)
	table, ok := tx.Table(pushTable)
	if err != nil || !ok || parsed.Table != table.Number {
		return nil, unknownPush()
	}
	d, err := tx.Get(ctx, parsed)
	if err != nil || d == nil {
		return nil, err
	}
	p, err := pushOf(d)
	if err != nil {
		return nil, nil // of another version, see pushes
	}
	return p, nil
}

// unknownPush refuses an id that is not one of a push.
func unknownPush() error {
	return bad("InvalidPush", "The request names no push that was started here. Start the push again.")
}

// move writes the state of a push after an event.
func (p *push) move(ctx context.Context, tx *database.Tx, e event) error {
	next, ok := p.state.on(e)
	if !ok {
		return fmt.Errorf("deploy: push %s cannot %s while it is %s", p.id, e, p.state)
	}
	p.state = next
	if next == over {
		return tx.Delete(ctx, p.row)
	}
	fields, err := p.fields()
	if err != nil {
		return err
	}
	return tx.Replace(ctx, p.row, fields)
}

// pushes lists all pushes. One that cannot be read is of a version that wrote
// them in another form; it is removed, because nobody can finish it any more.
func pushes(ctx context.Context, tx *database.Tx) ([]*push, error) {
	c := tx.Scan(pushTable, database.ByCreationTime, database.Interval{}, database.Asc)
	defer c.Close()
	var list []*push
	for {
		d, err := c.Next(ctx)
		if err != nil || d == nil {
			return list, err
		}
		p, err := pushOf(d)
		if err != nil {
			if err := tx.Delete(ctx, d.ID); err != nil {
				return nil, err
			}
			continue
		}
		list = append(list, p)
	}
}
