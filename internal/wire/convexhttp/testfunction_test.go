package convexhttp_test

import (
	"strings"
	"testing"
)

func TestRunTestFunction(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.push()
	const source = `import { query } from \"convex:/_system/repl/wrappers.js\"; export default query({ handler: async (ctx, args) => { console.log(\"hi\"); return [args.n, 5n]; } });`
	body := func(key string) string {
		return `{` + key + `"args":{"n":1},"bundle":{"path":"testQuery.js","source":"` + source + `"},"format":"convex_encoded_json"}`
	}
	const want = `{"status":"success","value":[1,{"$integer":"BQAAAAAAAAA="}],"logLines":["[LOG] 'hi'"]}`
	if status, got := h.call("POST", "/api/run_test_function", body(""), "Convex "+h.key); status != 200 || got != want {
		t.Errorf("%d %s", status, got)
	}
	if status, got := h.call("POST", "/api/run_test_function", body(`"adminKey":"`+h.key+`",`)); status != 200 || got != want {
		t.Errorf("key in the body: %d %s", status, got)
	}
	for _, c := range []struct {
		auth, body, want string
		status           int
	}{
		{"", body(""), "MissingAdminKey", 401},
		{"Convex " + h.key, `{"bundle":{"path":"../x.js","source":""}}`, "InvalidModules", 400},
		{"Convex " + h.key, `{`, "BadJsonBody", 400},
		{"Convex " + h.key, `{"bundle":{"path":"t.js","source":"export default 1 +"}}`, "SyntaxError", 200},
		{"Convex " + h.key, `{"format":"xml","bundle":{"path":"t.js","source":""}}`, "BadFormat", 400},
	} {
		if status, got := h.call("POST", "/api/run_test_function", c.body, c.auth); status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d %s", c.body, status, got)
		}
	}
}
