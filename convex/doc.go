// Package convex is a client of Convex deployments for Go programs: queries that
// are run once or stay live, mutations that run exactly once, actions. It works
// with Lentil and with every other backend that speaks the protocol of the official
// clients.
//
//	client, err := convex.New("http://127.0.0.1:3210", convex.Options{})
//	…
//	defer client.Close()
//
//	var id string
//	err = client.Mutate(ctx, "messages:send", map[string]any{"body": "hi"}, &id)
//
//	for list, err := range convex.Watch[[]Message](ctx, client, "messages:list", nil) {
//		…
//	}
//
// A client has one WebSocket, which it opens when it is first needed and again
// when it is lost. All live queries see one moment of the database at a time. A
// mutation whose answer was lost with the connection is sent again under the same
// number, and the deployment runs it once. When Mutate returns, live queries and
// later calls of Query see what it wrote. An action that was under way when the
// connection broke fails with ErrInterrupted, because nobody knows how far it came.
//
// # Values
//
// Arguments and results are encoded as package encoding/json does, with its struct
// tags. Convex has three kinds of values that JSON lacks: use Int64 for a bigint
// (v.int64()), Bytes for v.bytes(), and Float64 where a number may be infinite, not
// a number or negative zero. In a result decoded into an interface value they appear as
// int64, []byte and float64. Ids are strings.
//
// # Who calls
//
// Options.Token gives the JWT of the user on whose behalf the client acts, for
// example the access token of package authkit. The client asks for a new one before
// the old one expires, and when the deployment has refused one.
package convex
