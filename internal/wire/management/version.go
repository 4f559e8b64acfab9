package management

import "github.com/lentil-dev/lentil/internal/apierr"

// The API of versions, at which CONVEX_VERSION_API_ORIGIN points the CLI. A house
// has no news about the vendor's releases and says so.

// versionNews has no message for people, and no files for their assistants.
func versionNews(*API, *request) (any, error) {
	return object{"message": nil, "guidelinesHash": nil, "agentSkillsSha": nil, "disableSkillsCli": true,
		"disableSkillsCliMessage": "Skills for agents come from the vendor; this house does not hand them out."}, nil
}

// agentSkills is an empty catalogue.
func agentSkills(*API, *request) (any, error) {
	return object{"latestRepoSha": nil, "skills": []object{}}, nil
}

// noFile refuses the vendor's files, which are not ours to hand out. The CLI and
// create-convex go on without them.
func noFile(code, what string) handler {
	return func(*API, *request) (any, error) {
		return nil, apierr.New(apierr.Unsupported, code, "%s come from the vendor, and a house does not have them.", what)
	}
}
