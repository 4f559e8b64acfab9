package doctor

import (
	"context"
	"regexp"
	"strings"
)

// cacheComponentsOn is the setting of next.config, which create-next-app 16.4 writes.
var cacheComponentsOn = regexp.MustCompile(`(?m)^[^/\n]*\bcacheComponents["']?\s*:\s*true\b`)

// checkCacheComponents looks whether next build can prerender pages that ask who is
// there: with cacheComponents it refuses what waits for a request outside of a
// <Suspense>, and names the provider in the layout as the place.
func checkCacheComponents(_ context.Context, p *Patient, f *finding) {
	config := ""
	for _, name := range []string{"next.config.ts", "next.config.mts", "next.config.mjs", "next.config.js"} {
		if file := p.source(name); file != nil && cacheComponentsOn.Match(file.Source) {
			config = name
		}
	}
	if config == "" {
		f.say(OK, "cacheComponents is off")
		return
	}
	asks := ""
	for _, file := range p.Sources {
		if strings.HasPrefix(file.Path, p.appDir()+"/") && (file.Imported(authKitNext, "withAuth") != "" || file.Imported(exactly("convex/nextjs"), "preloadQuery") != "") {
			asks = file.Path
			break
		}
	}
	if asks == "" {
		f.say(OK, "no page asks the server who is there")
		return
	}
	layout := ""
	for _, file := range p.Sources {
		if !strings.HasPrefix(file.Path, p.appDir()+"/layout.") {
			continue
		}
		if file.Imported(exactly("react"), "Suspense") != "" {
			f.say(OK, "%s has a <Suspense>; whether it is enough, next build says", file.Path)
			return
		}
		layout = file.Path
	}
	if layout == "" {
		f.say(Skipped, "the root layout was not found")
		return
	}
	f.say(Warning, "%s turns cacheComponents on, %s asks who is there, and %s has no <Suspense> around it: next build refuses the page", config, asks, layout)
	f.fix("Turn it off in %s, and partialPrefetching with it (or put a <Suspense> around what waits, as Next.js says):\ncacheComponents: false,", config)
}

// exactly is for imports of one module.
func exactly(name string) func(module string) bool {
	return func(module string) bool { return module == name }
}
