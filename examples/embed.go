// Package examples holds the apps of the guide, so that lentil init can write them
// down without a network. They are the same files that make run and make run-next
// start, and that the conformance tests drive.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed react-vite-authkit/README.md react-vite-authkit/*.json react-vite-authkit/*.html react-vite-authkit/*.ts
//go:embed all:react-vite-authkit/convex react-vite-authkit/public react-vite-authkit/src
//go:embed nextjs-authkit/README.md nextjs-authkit/*.json nextjs-authkit/*.ts nextjs-authkit/.env nextjs-authkit/.gitignore
//go:embed nextjs-authkit/app all:nextjs-authkit/convex nextjs-authkit/components
//go:embed tanstack-start-authkit/README.md tanstack-start-authkit/*.json tanstack-start-authkit/*.ts tanstack-start-authkit/public
//go:embed all:tanstack-start-authkit/convex all:tanstack-start-authkit/src
var files embed.FS

// Template is an app to begin with.
type Template struct {
	Name string // of its folder, and of the official template that it corresponds to
	What string // in a few words
	Port int    // where it answers in development
}

// Templates are all of them, the first being the one to offer first.
var Templates = []Template{
	{"react-vite-authkit", "React and Vite, sign-in in the browser", 5173},
	{"nextjs-authkit", "Next.js App Router, sign-in on the server", 3000},
	{"tanstack-start-authkit", "TanStack Start, sign-in on the server", 3000},
}

// Files are those of a template.
func (t Template) Files() (fs.FS, error) { return fs.Sub(files, t.Name) }
