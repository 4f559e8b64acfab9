//go:build !unix

package sideprocess

import "syscall"

// stepBack does nothing where priorities are another matter.
func stepBack() error { return nil }

// apart leaves a child as it is.
func apart() *syscall.SysProcAttr { return nil }
