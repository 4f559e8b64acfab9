package dashboard

import "github.com/lentil-dev/lentil/internal/platform"

// Action is a row of the table for tests.
type Action struct {
	Path, Name string
	Scope      string
	Need, Prod platform.Role
	Owner      bool
}

// Actions lists everything that can be done.
func (s *Site) Actions() (list []Action) {
	for _, p := range s.pages {
		for _, a := range p.actions {
			list = append(list, Action{p.path, a.name, [...]string{"public", "house", "team", "project", "deployment"}[p.scope], a.need, a.prod, a.owner})
		}
	}
	return list
}

// Paths lists the patterns of all pages.
func (s *Site) Paths() (list []string) {
	for _, p := range s.pages {
		list = append(list, p.path)
	}
	return list
}

// OwnPath is ownPath.
var OwnPath = ownPath

// TakeStreams takes all event streams until the function that it gives is called.
func (s *Site) TakeStreams() (free func()) {
	for range cap(s.streams) {
		s.streams <- struct{}{}
	}
	return func() {
		for range cap(s.streams) {
			<-s.streams
		}
	}
}
