// Package doctor looks at a project that joins Convex with AuthKit, and says what
// is wrong with it, why, and what to paste.
//
// Checks are data: one table (checks.go). Each sees a Patient: the files of the
// project, read once and never run, and what a running house told, if one runs. A
// check that lacks what it needs is skipped and says what. Repairs change no more
// than the lines they must, and only when asked to.
//
// The room talks to a house over its address like any other program, so that it
// can look at deployments elsewhere as far as these answer.
package doctor
