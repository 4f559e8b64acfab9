// Package scaffold writes a new project into a folder. It overwrites nothing: the
// folder must be empty, or not be there. What it has begun and cannot finish, it
// takes away again.
package scaffold
