package udf

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// funcPath names a function of the app: a module path with its ".js", and an export.
type funcPath struct {
	Module string // "dir/mod.js"
	Export string // "list", "default"
}

// maxPathLength bounds the text of a function path; nothing real comes near it.
const maxPathLength = 1024

// parsePath understands "dir/mod:fn", "dir/mod.js:fn" and "dir/mod", whose
// export is "default" (convex-sync.md §1.3). Anything else is not ok.
func parsePath(s string) (p funcPath, ok bool) {
	if s == "" || len(s) > maxPathLength {
		return funcPath{}, false
	}
	module, export, found := strings.Cut(s, ":")
	if !found {
		export = "default"
	}
	module = strings.TrimSuffix(module, ".js")
	if !validModule(module) || !validExport(export) {
		return funcPath{}, false
	}
	return funcPath{Module: module + ".js", Export: export}, true
}

// validModule tells whether s, without its ".js", can name a module: parts of
// letters, digits, "_", "." and "-", none of them empty, "." or "..".
func validModule(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
		for i := range len(part) {
			c := part[i]
			if !isWordByte(c) && c != '.' && c != '-' {
				return false
			}
		}
	}
	return s != ""
}

// validExport tells whether s can be the name of an export: an ASCII identifier.
func validExport(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isWordByte(c) && c != '$' || i == 0 && c >= '0' && c <= '9' {
			return false
		}
	}
	return s != ""
}

// isWordByte tells whether c is an ASCII letter, a digit or an underscore.
func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// String is the canonical form, as logs and scheduled jobs have it: "dir/mod.js:fn".
func (p funcPath) String() string { return p.Module + ":" + p.Export }

// Client is the form that clients use: "dir/mod:fn".
func (p funcPath) Client() string { return strings.TrimSuffix(p.Module, ".js") + ":" + p.Export }

// SessionRequestID is the request id that messages show for calls of a socket:
// the first 16 hex digits of sha256("<session>|<request>").
func SessionRequestID(session string, request uint32) string {
	sum := sha256.Sum256([]byte(session + "|" + strconv.FormatUint(uint64(request), 10)))
	return hex.EncodeToString(sum[:8])
}

// NewRequestID is the request id of a call that came without a session: 16 random hex digits.
func NewRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
