package main

import (
	"context"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/doctor"
)

// notePage says so if the project's pages would call api.workos.com, as the guide's
// do: nothing here notices when they do.
func notePage(ctx context.Context, out *talk, dir string) {
	p, err := doctor.Look(ctx, doctor.Options{Dir: dir})
	if err != nil {
		return // the doctor says it when it is asked
	}
	if at, ok := p.CallsVendor(); ok {
		out.notice("%s: <AuthKitProvider> has no apiHostname, so the page calls api.workos.com unless it is opened with lentil exec --browser %s; lentil doctor --fix adds what it needs for any browser",
			at, p.Framework.Origin)
	}
}

// develops reports whether a command is likely to serve an app's pages.
func develops(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		return a == "start" || a == "vite" || a == "dev" || strings.HasPrefix(a, "dev:")
	})
}
