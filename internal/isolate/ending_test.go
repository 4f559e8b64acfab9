package isolate

import (
	"context"
	"errors"
	"testing"
)

// An action may wait for ten minutes, and the end of its engine must not.
func TestEngineCloseEndsActions(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
export const wait = action(async () => { await call("begun"); await new Promise(() => setTimeout(() => {}, 600_000)); });
export const ask = action(async () => { await call("hang"); });
`))
	begun := make(chan struct{}, 2)
	h := &host{async: func(ctx context.Context, op string, _ []byte) ([]byte, error) {
		begun <- struct{}{}
		if op == "hang" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return []byte("null"), nil
	}}
	ended := make(chan error, 2)
	for _, name := range []string{"wait", "ask"} {
		go func() {
			_, err := p.Run(context.WithoutCancel(t.Context()), callOf(Action, name, h, Limits{}))
			ended <- err
		}()
	}
	<-begun
	<-begun
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("an action ended with %v", err)
		}
	}
}
