package node

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	text := "no"
	for _, body := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("soup"), 50_000)} {
		var b bytes.Buffer
		sent := head{T: "reply", ID: 7, Error: &text, Data: []byte(`{"a":1}`)}
		if err := writeFrame(&b, sent, body); err != nil {
			t.Fatal(err)
		}
		got, back, err := readFrame(&b)
		if diff := cmp.Diff(sent, got); err != nil || diff != "" || !bytes.Equal(back, body) {
			t.Errorf("read %v, %d bytes for %d: %s", err, len(back), len(body), diff)
		}
		if _, _, err := readFrame(&b); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	_ = writeFrame(&b, head{T: "async", ID: 1, Op: "1.0/get"}, []byte(`{"id":1}`))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:9])
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0})
	f.Add([]byte{2, 0, 0, 0, 255, 255, 0, 0, '{', '}'})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		for {
			h, body, err := readFrame(r)
			if err != nil {
				return
			}
			if len(body) > len(in) {
				t.Fatalf("%+v has %d bytes of %d", h, len(body), len(in))
			}
		}
	})
}
