package archive

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestOverS3 backs up, merges, expires, verifies and restores over the protocol of S3,
// with a file that is large enough for several parts.
func TestOverS3(t *testing.T) {
	t.Parallel()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	env := map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
	d, err := depot.Open("s3://backups/houses/one?endpoint="+srv.URL, func(name string) string { return env[name] }, true)
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("thirty-two bytes are a good key.")
	h := newHouse(t)
	s := h.add("house")
	var large strings.Builder
	for i := range 3 << 20 { // does not compress below two parts
		large.WriteString(string(rune('a' + (i*i*7919+i/3)%26)))
		large.WriteByte(byte(i * 131 >> 3))
	}
	s.upload(t, "files/aa/large", large.String()+large.String()+large.String()+large.String())
	a := h.archiver(d, key)
	h.first(a)
	for i := range 5 {
		s.put(t, value.ID{}, row{i, "x"})
		h.ship(a)
	}
	middle := s.history[len(s.history)-2].ts
	h.base(a, false)
	s.put(t, value.ID{}, row{9, "y"})
	h.ship(a)
	tidied := tidy{v: a.vault, house: h.ID(), chain: a.note.Chain, keep: Keep{Window: 24 * time.Hour}, now: time.Now().Add(time.Hour), settle: nothing}
	if err := tidied.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := List(t.Context(), d, key)
	if err != nil || len(c.Windows) != 1 || len(c.Bases) != 2 || c.Segments > 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if v, err := Verify(t.Context(), d, key, nil); err != nil || len(v.Damaged) > 0 || v.Unneeded > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	site, _ := restoreAt(t, d, key, middle)
	h.compare(site, middle)
	site, _ = restoreAt(t, d, key, a.through)
	h.compare(site, a.through)
}
