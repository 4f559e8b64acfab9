package udf

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestIndexRangeOnID: every index ends with the document's id, so a range may go on
// after one of several documents that are otherwise equal.
func TestIndexRangeOnID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var ids []string
	h.update(func(tx *database.Tx) error {
		if err := tx.AddIndex(t.Context(), "rows", "by_g", []string{"g"}, database.Enabled); err != nil {
			return err
		}
		for n := range 9 {
			tx.SetClock(1000) // all at one time
			id, err := tx.Insert(t.Context(), "rows", obj("n", n, "g", 0))
			if err != nil {
				return err
			}
			ids = append(ids, id.String())
		}
		return nil
	})
	order := slices.Clone(ids)
	slices.Sort(order)
	at := func(i int) int { return slices.Index(ids, order[i]) }
	all := make([]int, len(order))
	for i := range order {
		all[i] = at(i)
	}
	other := value.ID{Table: 19999}.String()
	for _, c := range []struct {
		op, id string
		want   []int
	}{
		{"Eq", order[4], all[4:5]}, {"Gt", order[4], all[5:]}, {"Gte", order[4], all[4:]}, {"Lt", order[4], all[:4]}, {"Lte", order[4], all[:5]},
		{"Gt", order[8], nil}, {"Lt", order[0], nil}, {"Gte", "", all}, {"Lte", "", nil}, {"Lt", "zzz", all}, {"Gt", "zzz", nil},
		{"Eq", "x", nil}, {"Eq", other, nil},
	} {
		for index, equal := range map[string]string{"by_creation_time": "", "by_g": `{"type":"Eq","fieldPath":"g","value":0},`} {
			got, _ := queried(t, h, fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.%s","range":[%s{"type":"Eq","fieldPath":"_creationTime","value":1000},{"type":%q,"fieldPath":"_id","value":%q}],"order":null},"operators":[]}`,
				index, equal, c.op, c.id))
			if !slices.Equal(got, c.want) {
				t.Errorf("%s %s %q: %v, want %v", index, c.op, c.id, got, c.want)
			}
		}
	}
}
