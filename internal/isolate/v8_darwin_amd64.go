package isolate

import _ "github.com/tommie/v8go/deps/darwin_amd64" // V8's static libraries
