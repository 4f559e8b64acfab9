package isolate

import (
	"embed"
	"fmt"
	"sync"
)

// shimFiles are the web-platform shims.
//
//go:embed runtime/*.js
var shimFiles embed.FS

// shimOrder is the order in which the shims are set up.
var shimOrder = []string{"core.js", "console.js", "intl.js", "events.js", "encoding.js", "url.js", "streams.js", "fetch.js", "host.js", "crypto.js", "inspect.js"}

// Shim gives the source of one of the shims, for another engine that prints
// values and inspects modules as this one does.
func Shim(name string) (string, error) {
	src, err := shimFiles.ReadFile("runtime/" + name)
	if err != nil {
		return "", fmt.Errorf("isolate: read shim %s: %w", name, err)
	}
	return string(src), nil
}

// packedShims gives names and sources in the form lentil_load takes.
var packedShims = sync.OnceValues(func() ([]byte, error) {
	var b []byte
	for _, name := range shimOrder {
		src, err := Shim(name)
		if err != nil {
			return nil, err
		}
		b = appendString(appendString(b, shimPrefix+name), src)
	}
	return b, nil
})
