// Package contract is what the public description of the WorkOS API promises, as
// data, and a judge that holds answers and events against it. Tests use it, in Go
// and (through the same file) in JavaScript; nothing that serves requests does.
//
// contract.json holds facts of the description, version 0.61: under "operations"
// each operation's method, path, query, body and answers by status; under "types"
// the shapes they share; under "events" the data of each event. A shape is
//
//	"str" "int" "num" "bool" "ts" "any" "object" "null"   a kind; "ts" is a time
//	"#Name"              the type Name
//	"=text" true false   this constant
//	"a|b"                one of several kinds or types
//	["a", "b"]           one of these texts
//	{"text": {…}}        a text with "min" and "max" length or a "pattern"
//	{"number": {…}}      a number with "min" and "max"
//	{"list": S}          a list, with "min" and "max" items
//	{"map": S}           an object whose members are all S
//	{"object": {…}}      an object; "name?" is a member that may be absent
//	{"any": [S…]}        one of the shapes
//	{"all": [S…]}        all of the shapes at once
//	{"event": S}         an event, S being its context
//
// and null under "answers" stands for an answer without a body.
//
// Invariant: a Contract is read only once loaded.
package contract
