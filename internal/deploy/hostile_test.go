package deploy

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// TestPushHostile pushes code that never ends or eats memory, in every place where
// a push runs code. Each must be refused, and the next push must work.
func TestPushHostile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const loop, memory = "for(;;){}", "const a=[];for(;;)a.push(new Array(1e6).fill(1));"
	in := func(path, source string) *StartPushRequest { return bundleOf(module(path, source)) }
	schemaOf := func(source string) *StartPushRequest {
		r := bundleOf()
		m := module("schema.js", source)
		r.AppDefinition.Schema = &m
		return r
	}
	t.Run("all", func(t *testing.T) { // returns when all have
		// One endless loop must do, as each takes the whole time allowed to modules.
		for name, r := range map[string]*StartPushRequest{
			"module loops":         in("a.js", loop),
			"module eats":          in("a.js", memory),
			"auth.config eats":     in("auth.config.js", memory),
			"schema eats":          schemaOf("export default { export() { " + memory + " } }"),
			"microtasks never end": in("a.js", "const f = () => Promise.resolve().then(f); await f();"),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, err := h.StartPush(t.Context(), r)
				if apierr.KindOf(err) != apierr.BadRequest || err == nil {
					t.Errorf("got %v", err)
				} else {
					t.Log(err)
				}
			})
		}
	})
	h.start(bundleOf(module("messages.js", messages)))
}
