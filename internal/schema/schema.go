package schema

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// Limits of schemas (convex-runtime §4.5, §5.3).
const (
	MaxTables       = 10_000
	MaxIndexes      = 64 // per table, of all sorts, staged ones included
	MaxIndexFields  = 16
	MaxFilterFields = 16
	MaxVectors      = 4 // vector indexes per table
	minDimensions   = 2
	maxDimensions   = 4096
)

// Schema is everything a developer declares in schema.ts. A nil *Schema declares nothing.
type Schema struct {
	Tables   []Table // by name
	Validate bool    // documents are checked against their table's validator
}

// Table is one table of a schema.
type Table struct {
	Name string
	// Document is what documents must look like; nil if the table only declares
	// indexes. It is an object, a union of objects, or any.
	Document *Validator
	// Staged is a validator that is checked in the background and not enforced; nil if there is none.
	Staged  *Validator
	Indexes []Index // by name
	Search  []SearchIndex
	Vector  []VectorIndex
}

// Index is a database index as declared: without the creation time and the id
// that every index ends with.
type Index struct {
	Name   string
	Fields []string
	Staged bool // is built but not used
}

// SearchIndex is a declared full-text index.
type SearchIndex struct {
	Name         string
	SearchField  string
	FilterFields []string
	Staged       bool
}

// VectorIndex is a declared vector index.
type VectorIndex struct {
	Name         string
	VectorField  string
	Dimensions   int
	FilterFields []string
	Staged       bool
}

// schemaJSON is the text that schema.default.export() returns.
type schemaJSON struct {
	Tables           []tableJSON `json:"tables"`
	SchemaValidation bool        `json:"schemaValidation"`
}

// tableJSON is a table within schemaJSON.
type tableJSON struct {
	TableName           string          `json:"tableName"`
	Indexes             []indexJSON     `json:"indexes"`
	StagedDbIndexes     []indexJSON     `json:"stagedDbIndexes"`
	SearchIndexes       []searchJSON    `json:"searchIndexes"`
	StagedSearchIndexes []searchJSON    `json:"stagedSearchIndexes"`
	VectorIndexes       []vectorJSON    `json:"vectorIndexes"`
	StagedVectorIndexes []vectorJSON    `json:"stagedVectorIndexes"`
	DocumentType        json.RawMessage `json:"documentType"`
	StagedDocumentType  json.RawMessage `json:"stagedDocumentType,omitempty"`
}

// indexJSON is a database index within tableJSON.
type indexJSON struct {
	IndexDescriptor string   `json:"indexDescriptor"`
	Fields          []string `json:"fields"`
}

// searchJSON is a search index within tableJSON.
type searchJSON struct {
	IndexDescriptor string   `json:"indexDescriptor"`
	SearchField     string   `json:"searchField"`
	FilterFields    []string `json:"filterFields"`
}

// vectorJSON is a vector index within tableJSON.
type vectorJSON struct {
	IndexDescriptor string   `json:"indexDescriptor"`
	VectorField     string   `json:"vectorField"`
	Dimensions      int      `json:"dimensions"`
	FilterFields    []string `json:"filterFields"`
}

// ParseSchema reads the JSON form of a schema and holds it against every rule
// for tables and indexes. The error is an *apierr.Error that names the table.
func ParseSchema(text []byte) (*Schema, error) {
	var j schemaJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, bad("InvalidSchema", "The schema is not an object with tables: %v.", err)
	}
	if len(j.Tables) > MaxTables {
		return nil, bad("InvalidSchema", "The schema has %d tables, more than the maximum of %d.", len(j.Tables), MaxTables)
	}
	s := &Schema{Validate: j.SchemaValidation}
	for _, tj := range j.Tables {
		t, err := tj.parse()
		if err != nil {
			return nil, err
		}
		s.Tables = append(s.Tables, t)
	}
	slices.SortFunc(s.Tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(s.Tables); i++ {
		if s.Tables[i].Name == s.Tables[i-1].Name {
			return nil, bad("InvalidSchema", "The schema declares the table %q twice.", s.Tables[i].Name)
		}
	}
	return s, nil
}

// parse reads one table.
func (j tableJSON) parse() (Table, error) {
	if err := checkName("table name", j.TableName); err != nil {
		return Table{}, err
	}
	t := Table{Name: j.TableName}
	var err error
	if t.Document, err = parseDocument(j.TableName, j.DocumentType); err != nil {
		return Table{}, err
	}
	if t.Staged, err = parseDocument(j.TableName, j.StagedDocumentType); err != nil {
		return Table{}, err
	}
	if err := t.readIndexes(j); err != nil {
		return Table{}, err
	}
	return t, nil
}

// parseDocument reads the validator of a table's documents; nil if there is none.
func parseDocument(table string, text json.RawMessage) (*Validator, error) {
	v, err := ParseReturns(text)
	if err != nil || v == nil {
		if e, ok := apierr.As(err); ok {
			return nil, bad(e.Code, "In table %q: %s", table, e.Message)
		}
		return nil, err
	}
	objects := []*Validator{v}
	if v.kind == kindUnion {
		objects = v.flatten(nil)
	}
	for _, o := range objects {
		if o.IsAny() {
			continue
		}
		if !o.IsObject() {
			return nil, bad("InvalidSchema", "The document type of table %q must be an object, a union of objects or v.any(), not %s.", table, v)
		}
		for _, f := range o.fields {
			if strings.HasPrefix(f.name, "_") && !isSystem(f.name) {
				return nil, bad("InvalidSchema", "In table %q: Field '%s' starts with an underscore, which is only allowed for "+
					"system fields like '_id'", table, f.name)
			}
		}
	}
	return v, nil
}

// flatten lists the members of nested unions.
func (v *Validator) flatten(list []*Validator) []*Validator {
	if v.kind != kindUnion {
		return append(list, v)
	}
	for _, m := range v.members {
		list = m.flatten(list)
	}
	return list
}

// checkName refuses names of tables and indexes that are no identifiers or are kept for the house.
func checkName(what, name string) error {
	if err := value.CheckIdentifier(what, name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "_") {
		return bad("InvalidSchema", "Invalid %s %q: names that start with an underscore are reserved.", what, name)
	}
	return nil
}

// Table finds a table by name.
func (s *Schema) Table(name string) (*Table, bool) {
	if s == nil {
		return nil, false
	}
	i, ok := slices.BinarySearchFunc(s.Tables, name, func(t Table, n string) int { return strings.Compare(t.Name, n) })
	if !ok {
		return nil, false
	}
	return &s.Tables[i], true
}

// CheckDocument refuses a document that is not what the schema says about its
// table. Tables that are not in the schema take anything.
func (s *Schema) CheckDocument(table string, doc value.Object, t Tables) error {
	if s == nil || !s.Validate {
		return nil
	}
	tab, ok := s.Table(table)
	if !ok {
		return nil
	}
	err := tab.CheckDocument(doc, t)
	var m *Mismatch
	if errors.As(err, &m) {
		return bad("SchemaEnforcementError", "Failed to insert or update a document in table %q because it does not "+
			"match the schema: %s", table, m.Error())
	}
	return err
}

// CheckDocument is Check with the table's validator for a whole document; its
// system fields do not count. The error is a *Mismatch.
func (t *Table) CheckDocument(doc value.Object, tables Tables) error {
	if t.Document == nil {
		return nil
	}
	if m := t.Document.check(doc, tables, true); m != nil {
		return m
	}
	return nil
}

// CheckStaged is CheckDocument with the table's staged validator.
func (t *Table) CheckStaged(doc value.Object, tables Tables) error {
	if t.Staged == nil {
		return nil
	}
	if m := t.Staged.check(doc, tables, true); m != nil {
		return m
	}
	return nil
}

// JSON is the schema in the form in which a push answers with it.
func (s *Schema) JSON() []byte {
	j := schemaJSON{Tables: []tableJSON{}, SchemaValidation: s.Validate}
	for _, t := range s.Tables {
		tj := tableJSON{
			TableName: t.Name, Indexes: []indexJSON{}, StagedDbIndexes: []indexJSON{}, SearchIndexes: []searchJSON{},
			StagedSearchIndexes: []searchJSON{}, VectorIndexes: []vectorJSON{}, StagedVectorIndexes: []vectorJSON{},
		}
		if t.Document != nil {
			tj.DocumentType = t.Document.JSON()
		}
		if t.Staged != nil {
			tj.StagedDocumentType = t.Staged.JSON()
		}
		for _, ix := range t.Indexes {
			list := &tj.Indexes
			if ix.Staged {
				list = &tj.StagedDbIndexes
			}
			*list = append(*list, indexJSON{ix.Name, ix.Fields})
		}
		for _, ix := range t.Search {
			list := &tj.SearchIndexes
			if ix.Staged {
				list = &tj.StagedSearchIndexes
			}
			*list = append(*list, searchJSON{ix.Name, ix.SearchField, ix.FilterFields})
		}
		for _, ix := range t.Vector {
			list := &tj.VectorIndexes
			if ix.Staged {
				list = &tj.StagedVectorIndexes
			}
			*list = append(*list, vectorJSON{ix.Name, ix.VectorField, ix.Dimensions, ix.FilterFields})
		}
		j.Tables = append(j.Tables, tj)
	}
	text, err := json.Marshal(j)
	if err != nil {
		panic("schema: a parsed schema cannot be written: " + err.Error())
	}
	return text
}
