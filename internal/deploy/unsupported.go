package deploy

import (
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// What a push may contain that this version cannot take, by the name developers
// know it under.
const (
	featureComponents = "Components (app.use in convex.config.ts)"
)

// notYet refuses a feature of a later version, saying where it was found.
func notYet(feature, where string) *apierr.Error {
	return bad("UnsupportedFeature", "%s are not supported yet by this version of Lentil. Found in %s: remove it and push again.",
		feature, where)
}

// checkFeatures refuses a push that needs what this version does not have.
func (r *StartPushRequest) checkFeatures() error {
	for _, c := range r.ComponentDefinitions {
		return notYet(featureComponents, "component "+clip(c.DefinitionPath))
	}
	for _, d := range r.AppDefinition.Dependencies {
		return notYet(featureComponents, "the app's dependency on "+clip(d))
	}
	return nil
}

// checkDefinitionFeatures refuses an app definition that mounts components.
func checkDefinitionFeatures(d *Definition) error {
	if len(d.ChildComponents) > 0 {
		var child struct {
			Name string `json:"name"`
		}
		_ = json.Unmarshal(d.ChildComponents[0], &child) // the name only serves the message
		return notYet(featureComponents, "convex.config.ts (component "+clip(child.Name)+")")
	}
	return nil
}

// clip cuts a text that a message quotes.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
