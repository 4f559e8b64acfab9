package database

import (
	"encoding/hex"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// formatSample is a document of format 1, of November 2026.
const formatSample = "014278bcfe56800800547b225f6372656174696f6e54696d65223a313730303030303030303030302e352c22" +
	"5f6964223a226a353730303038323063323061316737313034676d327263316d3730796e7238222c2261223a" +
	"7b2224696e7465676572223a2242774141414141414141413d227d2c227a223a5b22c3a9222c747275652c6e" +
	"756c6c5d7d"

// TestDocumentFormat holds the stored format of documents against a sample that
// never changes: what is stored once must be readable for ever.
func TestDocumentFormat(t *testing.T) {
	t.Parallel()
	id := value.ID{Table: 10001, Internal: value.InternalID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	fields := value.NewObject(map[string]value.Value{"a": value.Int64(7), "z": value.Array{value.String("\u00e9"), value.Bool(true), value.Null{}}})
	d := newDocument(id, placeOf(id.Space, id.Table), 1700000000000.5, fields)
	if got := hex.EncodeToString(d.stored); got != formatSample {
		t.Errorf("a document is stored as %s", got)
	}
	b, err := hex.DecodeString(formatSample)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeDocument(persistence.DocID{Table: uint32(placeOf(id.Space, id.Table)), Internal: id.Internal}, 5, b)
	if err != nil || back.CreationTime != d.CreationTime || back.Size != d.Size || !value.Equal(back.Object(), d.Object()) {
		t.Errorf("the sample reads as %+v, %v", back, err)
	}
}
