package schema

import (
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// readIndexes takes over all indexes of a table and holds them against the rules
// of convex-runtime §5.3.
func (t *Table) readIndexes(j tableJSON) error {
	total := len(j.Indexes) + len(j.StagedDbIndexes) + len(j.SearchIndexes) + len(j.StagedSearchIndexes) +
		len(j.VectorIndexes) + len(j.StagedVectorIndexes)
	if total > MaxIndexes {
		return t.wrong("TooManyIndexes", "it has %d indexes, more than the maximum of %d.", total, MaxIndexes)
	}
	names := make(map[string]bool, total)
	for i, ix := range slices.Concat(j.Indexes, j.StagedDbIndexes) {
		if err := t.claim(names, ix.IndexDescriptor); err != nil {
			return err
		}
		if err := t.checkFields(ix.IndexDescriptor, ix.Fields); err != nil {
			return err
		}
		t.Indexes = append(t.Indexes, Index{ix.IndexDescriptor, ix.Fields, i >= len(j.Indexes)})
	}
	slices.SortFunc(t.Indexes, func(a, b Index) int { return strings.Compare(a.Name, b.Name) })
	for i, a := range t.Indexes {
		for _, b := range t.Indexes[i+1:] {
			if slices.Equal(a.Fields, b.Fields) {
				return t.wrong("IndexesNotUnique", "indexes %q and %q have the same fields. Remove one of them.", a.Name, b.Name)
			}
		}
	}
	for i, ix := range slices.Concat(j.SearchIndexes, j.StagedSearchIndexes) {
		if err := t.claim(names, ix.IndexDescriptor); err != nil {
			return err
		}
		if err := t.checkFilters(ix.IndexDescriptor, ix.SearchField, ix.FilterFields); err != nil {
			return err
		}
		t.Search = append(t.Search, SearchIndex{ix.IndexDescriptor, ix.SearchField, notNil(ix.FilterFields), i >= len(j.SearchIndexes)})
	}
	for i, ix := range slices.Concat(j.VectorIndexes, j.StagedVectorIndexes) {
		if err := t.claim(names, ix.IndexDescriptor); err != nil {
			return err
		}
		if err := t.checkFilters(ix.IndexDescriptor, ix.VectorField, ix.FilterFields); err != nil {
			return err
		}
		if ix.Dimensions < minDimensions || ix.Dimensions > maxDimensions {
			return t.wrong("InvalidVectorIndex", "vector index %q has %d dimensions; it must have between %d and %d.",
				ix.IndexDescriptor, ix.Dimensions, minDimensions, maxDimensions)
		}
		t.Vector = append(t.Vector, VectorIndex{ix.IndexDescriptor, ix.VectorField, ix.Dimensions, notNil(ix.FilterFields), i >= len(j.VectorIndexes)})
	}
	if len(t.Vector) > MaxVectors {
		return t.wrong("TooManyIndexes", "it has %d vector indexes, more than the maximum of %d.", len(t.Vector), MaxVectors)
	}
	return nil
}

// wrong says what is wrong with the table.
func (t *Table) wrong(code, format string, args ...any) error {
	return bad(code, "In table "+quote(t.Name)+": "+format, args...)
}

// quote puts an identifier into a format string.
func quote(name string) string { return `"` + strings.ReplaceAll(name, "%", "%%") + `"` }

// claim checks the name of an index and notes that it is taken.
func (t *Table) claim(names map[string]bool, name string) error {
	if err := value.CheckIdentifier("index name", name); err != nil {
		e, _ := apierr.As(err)
		return t.wrong("InvalidIndexName", "%s", e.Message)
	}
	if strings.HasPrefix(name, "_") || name == "by_id" || name == "by_creation_time" {
		return t.wrong("IndexNameReserved", "the index name %q is reserved. Every table has the indexes by_id and "+
			"by_creation_time; other names must not start with an underscore.", name)
	}
	if names[name] {
		return t.wrong("IndexNamesNotUnique", "it cannot have two indexes named %q.", name)
	}
	names[name] = true
	return nil
}

// checkFields holds the fields of a database index against the rules.
func (t *Table) checkFields(index string, fields []string) error {
	if len(fields) == 0 {
		return t.wrong("EmptyIndex", "index %q must have at least one field. "+
			"Use the index by_creation_time for documents in order of creation.", index)
	}
	if len(fields) > MaxIndexFields {
		return t.wrong("TooManyIndexFields", "index %q has %d fields, more than the maximum of %d.", index, len(fields), MaxIndexFields)
	}
	for i, f := range fields {
		if f == "_creationTime" {
			return t.wrong("IndexFieldsContainCreationTime", "index %q must not name the field _creationTime: "+
				"every index ends with it already. Remove it.", index)
		}
		if err := t.checkPath(index, f); err != nil {
			return err
		}
		if slices.Contains(fields[:i], f) {
			return t.wrong("IndexFieldsNotUnique", "index %q names the field %q twice.", index, f)
		}
	}
	return nil
}

// checkFilters holds the fields of a search or vector index against the rules.
func (t *Table) checkFilters(index, main string, filters []string) error {
	if len(filters) > MaxFilterFields {
		return t.wrong("TooManyIndexFields", "index %q has %d filter fields, more than the maximum of %d.", index, len(filters), MaxFilterFields)
	}
	for i, f := range append([]string{main}, filters...) {
		if f != "_creationTime" {
			if err := t.checkPath(index, f); err != nil {
				return err
			}
		}
		if i > 0 && slices.Contains(filters[:i-1], f) {
			return t.wrong("IndexFieldsNotUnique", "index %q names the filter field %q twice.", index, f)
		}
	}
	return nil
}

// checkPath refuses what is no dotted path of field names, and system fields.
func (t *Table) checkPath(index, path string) error {
	for i, name := range strings.Split(path, ".") {
		if err := value.CheckIdentifier("field", name); err != nil {
			e, _ := apierr.As(err)
			return t.wrong("InvalidIndexField", "in index %q: %s", index, e.Message)
		}
		if i == 0 && strings.HasPrefix(name, "_") {
			return t.wrong("InvalidIndexField", "index %q cannot use the field %q: system fields are not indexed that way.", index, clip(path))
		}
	}
	return nil
}

// notNil keeps empty lists from being written as null.
func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
