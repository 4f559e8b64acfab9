package udf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

func TestOneOffQuery(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	for i, author := range []string{"ann", "bob", "ann"} {
		h.mustMutate(Request{Path: "messages:send", Args: fmt.Appendf(nil, `{"body":"m%d"}`, i), Caller: user(author)})
	}
	admin := token.Caller{Role: token.Admin}
	one := func(body string) string {
		source := `import { query, internalQuery } from "convex:/_system/repl/wrappers.js";
export default query({ handler: async (ctx) => {` + body + `} });`
		out, err := h.TestQuery(t.Context(), Request{Args: []byte("{}"), Caller: admin}, "testQuery.js", source)
		if err != nil {
			t.Fatal(err)
		}
		if out.Failure != nil {
			return strings.SplitN(out.Failure.Text, "\n", 2)[0]
		}
		return string(out.Value) + strings.Join(out.Logs, " ")
	}
	for _, c := range []struct{ body, want string }{
		{`return 1 + 1`, `2`},
		{`console.log("hello")`, `null[LOG] 'hello'`},
		{`return (await ctx.db.query("messages").collect()).map((m) => m.body)`, `["m0","m1","m2"]`},
		{`return (await ctx.db.query("messages").order("desc").first()).body`, `"m2"`},
		{`return (await ctx.db.query("messages").withIndex("by_author", (q) => q.eq("author", "ann")).take(5)).map((m) => m.body)`, `["m0","m2"]`},
		{`return (await ctx.db.query("messages").filter((q) => q.and(q.eq(q.field("author"), "ann"), q.not(q.eq(q.field("body"), "m0")))).unique()).body`, `"m2"`},
		{`return await ctx.db.query("messages").filter((q) => q.eq(q.field("nothing"), undefined)).count()`, `3`},
		{`await ctx.db.query("messages").unique()`, `Uncaught Error: unique() query returned more than one result from table messages:`},
		{`const m = await ctx.db.query("messages").first(); return (await ctx.db.get(m._id)).body + (await ctx.db.get("messages", m._id)).body`, `"m0m0"`},
		{`const { page, isDone, continueCursor } = await ctx.db.query("messages").paginate({ cursor: null, numItems: 2 });
			return [page.length, isDone, typeof continueCursor]`, `[2,false,"string"]`},
		{`return [ctx.db.normalizeId("messages", "nonsense"), await ctx.db.system.query("_scheduled_functions").collect()]`, `[null,[]]`},
		{`return ctx.db.query("_modules")`, `Uncaught Error: System tables can only be accessed with db.system.`},
		{`return ctx.db.system.query("messages")`, `Uncaught Error: User tables cannot be accessed with db.system.`},
		{`return [5n, -0, NaN, new Uint8Array([1, 2]).buffer, { a: undefined, b: [true] }]`,
			`[{"$integer":"BQAAAAAAAAA="},{"$float":"AAAAAAAAAIA="},{"$float":"AAAAAAAA+H8="},{"$bytes":"AQI="},{"b":[true]}]`},
		{`return { a: [new Map()] }`, `Uncaught TypeError: the result.a[0] is no Convex value: Map`},
		{`return 2n ** 63n`, `Uncaught RangeError: 9223372036854775808n does not fit into 64 bits`},
		{`return (await ctx.runQuery("messages:by", { author: "bob" })).length`, `1`},
		{`return await ctx.auth.getUserIdentity()`, `null`},
		{`return Object.keys(ctx.db)`, `["get","query","normalizeId","system"]`},
		{`await Convex.asyncSyscall("1.0/insert", '{"table":"messages","value":{}}')`, `Uncaught Error: Unknown async operation 1.0/insert`},
		{`await fetch("http://example.test")`, `Uncaught Error: Can't use fetch() in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`},
		{`return (`, `Uncaught SyntaxError: Unexpected token '}'`},
	} {
		if got := one(c.body); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.body, got, c.want)
		}
	}
	// A second of its own, or fifteen where the machine is so busy that it does not get one.
	const timedOut = "Function execution timed out (maximum duration: %ds)"
	if got := one(`for (;;);`); got != fmt.Sprintf(timedOut, 1) && got != fmt.Sprintf(timedOut, 15) {
		t.Errorf("without an end: %s", got)
	}
	out, err := h.Query(t.Context(), Request{Path: "testQuery:default", Caller: admin})
	if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, "Could not find function") {
		t.Errorf("the module stayed: %+v, %v", out, err)
	}
}

func TestOneOffQueryRefused(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	run := func(role token.Role, module, source string) (*Outcome, error) {
		return h.TestQuery(t.Context(), Request{Caller: token.Caller{Role: role}}, module, source)
	}
	if _, err := run(token.Anonymous, "testQuery.js", "export default 1"); apierr.KindOf(err) != apierr.Forbidden {
		t.Errorf("a stranger: %v", err)
	}
	for _, module := range []string{"", "../x.js", "convex:/x.js", "a b"} {
		if _, err := run(token.Admin, module, "export default 1"); apierr.KindOf(err) != apierr.BadRequest {
			t.Errorf("module %q: %v", module, err)
		}
	}
	if _, err := run(token.Admin, "testQuery.js", strings.Repeat(" ", maxTestSource+1)); apierr.KindOf(err) != apierr.BadRequest {
		t.Errorf("a large source: %v", err)
	}
	for source, want := range map[string]string{
		`export const other = 1`:              "Couldn't find",
		`export default 7`:                    "neither a query or mutation",
		`import "convex:/nothing.js"`:         `Could not resolve the import "convex:/nothing.js"`,
		`import "./_system/repl/wrappers.js"`: "Could not resolve the import",
		`throw new Error("at once")`:          "at once",
		`import { query } from "convex:/_system/repl/wrappers.js"; export default query({})`: "A query needs a handler",
	} {
		out, err := run(token.Admin, "testQuery.js", source)
		if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, want) {
			t.Errorf("%s: %+v, %v, want %s", source, out, err, want)
		}
	}
}
