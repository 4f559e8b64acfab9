package identity

import (
	"testing"
	"time"
)

// TestConfigure starts a house again and again with another configuration, and people
// who change settings in between.
func TestConfigure(t *testing.T) {
	t.Parallel()
	var s Settings
	for _, step := range []struct {
		what      string
		set, says time.Duration // by somebody before; by the configuration
		want      time.Duration
	}{
		{"nothing is said", 0, 0, 0},
		{"a flag", 0, 15 * time.Second, 15 * time.Second},
		{"the flag again", 0, 15 * time.Second, 15 * time.Second},
		{"without the flag it is the default", 0, 0, 0},
		{"somebody sets it", time.Minute, 0, time.Minute},
		{"and it stays", 0, 0, time.Minute},
		{"a flag goes first", 0, 15 * time.Second, 15 * time.Second},
		{"also when somebody sets it", 2 * time.Minute, 20 * time.Second, 20 * time.Second},
		{"what was set under a flag stays without it", 3 * time.Minute, 0, 3 * time.Minute},
	} {
		if step.set != 0 {
			s.AccessTokenLifetime, s.RefreshReuseWindow = step.set, step.set
		}
		s.Configure(ConfiguredSettings{AccessTokenLifetime: step.says, RefreshReuseWindow: step.says})
		if s.AccessTokenLifetime != step.want || s.RefreshReuseWindow != step.want || s.IssuerTemplate != "" {
			t.Fatalf("%s: %v, %v, %q, want %v", step.what, s.AccessTokenLifetime, s.RefreshReuseWindow, s.IssuerTemplate, step.want)
		}
	}
	s.Configure(ConfiguredSettings{IssuerTemplate: "https://a.example"})
	s.IssuerTemplate = "https://b.example"
	if s.Configure(ConfiguredSettings{}); s.IssuerTemplate != "https://b.example" {
		t.Errorf("issuer %q", s.IssuerTemplate)
	}
}
