package isolate

import _ "github.com/tommie/v8go/deps/darwin_arm64" // V8's static libraries
