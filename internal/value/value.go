package value

// Kind tells the kinds of values apart. The order of the constants is the order
// in which values of different kinds sort.
type Kind uint8

// The kinds, in sort order. Undefined is no value a document can hold; it stands
// for an absent field in index keys, filters and patches. CommitTS is no value of
// a committed document: it lies above every integer until the commit makes it one.
const (
	KindUndefined Kind = iota
	KindNull
	KindInt64
	KindCommitTS
	KindFloat64
	KindBool
	KindString
	KindBytes
	KindArray
	KindObject
)

// kindNames are the kinds as messages to developers name them: by what the
// value is in JavaScript or in a validator.
var kindNames = [...]string{
	KindUndefined: "undefined", KindNull: "null", KindInt64: "bigint", KindCommitTS: "commitTs", KindFloat64: "number", KindBool: "boolean",
	KindString: "string", KindBytes: "bytes", KindArray: "array", KindObject: "object",
}

// String names the kind as a developer knows it: "bigint", "number", "boolean"…
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Value is one Convex value. The set of implementations is closed: Undefined,
// Null, Int64, CommitTS, Float64, Bool, String, Bytes, Array and Object.
type Value interface {
	Kind() Kind
	sealed()
}

// Undefined stands for a missing value; see KindUndefined.
type Undefined struct{}

// Null is JavaScript's null.
type Null struct{}

// Int64 is a JavaScript bigint within 64 bits.
type Int64 int64

// CommitTS stands for the timestamp of the commit that will make it an Int64
// (convex-runtime §4.2); it occurs within the transaction of a mutation only.
type CommitTS struct{}

// Float64 is a JavaScript number. All bit patterns are kept, also those of NaN.
type Float64 float64

// Bool is a boolean.
type Bool bool

// String is valid UTF-8.
type String string

// Bytes is an ArrayBuffer. Its bytes must not be changed.
type Bytes []byte

// Array is a list of values. It must not be changed once shared.
type Array []Value

// Kind is KindUndefined.
func (Undefined) Kind() Kind { return KindUndefined }

// Kind is KindNull.
func (Null) Kind() Kind { return KindNull }

// Kind is KindInt64.
func (Int64) Kind() Kind { return KindInt64 }

// Kind is KindCommitTS.
func (CommitTS) Kind() Kind { return KindCommitTS }

// Kind is KindFloat64.
func (Float64) Kind() Kind { return KindFloat64 }

// Kind is KindBool.
func (Bool) Kind() Kind { return KindBool }

// Kind is KindString.
func (String) Kind() Kind { return KindString }

// Kind is KindBytes.
func (Bytes) Kind() Kind { return KindBytes }

// Kind is KindArray.
func (Array) Kind() Kind { return KindArray }

// Kind is KindObject.
func (Object) Kind() Kind { return KindObject }

func (Undefined) sealed() {}
func (Null) sealed()      {}
func (Int64) sealed()     {}
func (CommitTS) sealed()  {}
func (Float64) sealed()   {}
func (Bool) sealed()      {}
func (String) sealed()    {}
func (Bytes) sealed()     {}
func (Array) sealed()     {}
func (Object) sealed()    {}
