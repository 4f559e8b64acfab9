package management

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/platform"
)

// who says who may call a route.
type who uint8

const (
	anyone who = iota // without a credential
	holder            // of any token or key; the handler asks for a role
	person            // with a token of their own
)

// handler answers with a value for JSON.
type handler func(a *API, q *request) (any, error)

// Route is a row of the table: what is served, or the code with which it is refused.
type Route struct {
	Method, Path  string
	Who           who
	Code, Feature string // of rows that are refused
	handle        handler
}

// pattern is the row's for net/http.
func (r *Route) pattern() string { return strings.TrimSpace(r.Method + " " + r.Path) }

// The keys of projects, of which there are two kinds.
var (
	createPreviewKey, listPreviewKeys, deletePreviewKey = projectKeys(platform.PreviewKey, "previewDeployKey")
	createProjectKey, listProjectKeys, deleteProjectKey = projectKeys(platform.ProjectKey, "deployKey")
)

// served makes a row that is answered, notOffered one that is refused by name.
func served(method, path string, w who, h handler) Route {
	return Route{Method: method, Path: path, Who: w, handle: h}
}
func notOffered(path, code, feature string) Route {
	return Route{Path: path, Code: code, Feature: feature}
}

// routes is the table. Paths under /api are the CLI's own, those under /v1 the
// vendor's published API; sources: convex 1.48.0 src/cli, @convex-dev/platform 0.1.10.
var routes = []Route{
	// who somebody is
	served("GET", "/api/authorize", holder, authorized), // HEAD comes with it
	served("POST", "/api/authorize", anyone, exchangeOld),
	served("POST", "/api/check_opt_ins", holder, noOptIns),
	served("POST", "/api/accept_opt_ins", holder, authorized),
	served("POST", "/v1/create_personal_access_token", person, createPersonalToken),
	served("GET", "/v1/list_personal_access_tokens", person, listPersonalTokens),
	served("POST", "/v1/delete_personal_access_token", person, deletePersonalToken),
	served("GET", "/v1/token_details", holder, tokenDetails),

	// teams
	served("GET", "/api/teams", holder, listTeams),
	served("POST", "/v1/teams/create_team", person, createTeam),
	served("GET", "/v1/teams/{team}/list_deployment_regions", holder, listRegions),
	served("GET", "/v1/teams/{team}/list_deployment_classes", holder, listClasses),
	served("GET", "/v1/teams/{team}/list_members", person, listMembers),
	served("GET", "/api/dashboard/teams/{team}/usage/team_usage_state", holder, usageState),
	served("GET", "/api/dashboard/teams/{team}/get_spending_limits", holder, spendingLimits),

	// projects
	served("GET", "/api/has_projects", holder, hasProjects),
	served("GET", "/api/teams/{team}/projects", holder, listProjectsOld),
	served("GET", "/api/teams/{team}/projects_remaining", holder, projectsRemaining),
	served("POST", "/api/create_project", person, createProjectOld),
	served("GET", "/v1/teams/{team}/projects", holder, listProjects),
	served("GET", "/v1/teams/{team}/projects/{slug}", holder, getProjectBySlugs),
	served("POST", "/v1/teams/{team}/create_project", person, createProject),
	served("GET", "/v1/projects/{project}", holder, getProject),
	served("PATCH", "/v1/projects/{project}", holder, updateProject),
	served("POST", "/v1/projects/{project}/delete", holder, deleteProject),

	// deployments
	served("GET", "/api/teams/{team}/projects/{slug}/deployments", holder, listDeploymentsOld),
	served("GET", "/v1/teams/{team}/projects/{slug}/deployment", holder, findInProjectBySlugs),
	served("GET", "/v1/teams/{team}/list_deployments", holder, listTeamDeployments),
	served("GET", "/v1/projects/{project}/deployment", holder, findInProject),
	served("GET", "/v1/projects/{project}/list_deployments", holder, listDeployments),
	served("POST", "/v1/projects/{project}/create_deployment", holder, createDeployment),
	served("GET", "/v1/deployments/{deployment}", holder, getDeployment),
	served("PATCH", "/v1/deployments/{deployment}", holder, updateDeployment),
	served("POST", "/v1/deployments/{deployment}/delete", holder, deleteDeployment),

	// a deployment's address and key
	served("POST", "/api/deployment/provision_and_authorize", holder, provisionAndAuthorize),
	served("POST", "/api/deployment/authorize_within_current_project", holder, authorizeWithinProject),
	served("POST", "/api/deployment/authorize_prod", holder, authorizeProd),
	served("POST", "/api/deployment/authorize_preview", holder, authorizePreview),
	served("POST", "/api/claim_preview_deployment", holder, claimPreview),
	served("POST", "/api/deployment/existing_dev", holder, existingDev),
	served("POST", "/api/deployment/url_for_key", anyone, urlForKey),
	served("POST", "/api/deployment/team_and_project_for_key", anyone, teamAndProjectForKey),
	served("GET", "/api/deployment/{deployment}/team_and_project", holder, teamAndProject),

	// keys
	served("POST", "/v1/deployments/{deployment}/create_deploy_key", holder, createDeployKey),
	served("GET", "/v1/deployments/{deployment}/list_deploy_keys", holder, listDeployKeys),
	served("POST", "/v1/deployments/{deployment}/delete_deploy_key", holder, deleteDeployKey),
	served("POST", "/v1/projects/{project}/create_preview_deploy_key", holder, createPreviewKey),
	served("GET", "/v1/projects/{project}/list_preview_deploy_keys", holder, listPreviewKeys),
	served("POST", "/v1/projects/{project}/delete_preview_deploy_key", holder, deletePreviewKey),
	served("POST", "/v1/projects/{project}/create_project_deploy_key", holder, createProjectKey),
	served("GET", "/v1/projects/{project}/list_project_deploy_keys", holder, listProjectKeys),
	served("POST", "/v1/projects/{project}/delete_project_deploy_key", holder, deleteProjectKey),

	// variables that deployments begin with
	served("GET", "/v1/projects/{project}/list_default_environment_variables", holder, listVariables),
	served("POST", "/v1/projects/{project}/update_default_environment_variables", holder, updateVariables),

	// WorkOS
	served("POST", "/api/workos/has_associated_workos_team", holder, hasAssociatedTeam),
	served("GET", "/api/deployments/{deployment}/has_associated_workos_team", holder, hasAssociatedTeamByPath),
	served("GET", "/api/workos/available_workos_team_emails", person, availableEmails),
	served("POST", "/api/workos/provision_associated_workos_team", person, provisionTeam),
	served("POST", "/api/workos/disconnect_workos_team", person, disconnectTeam),
	served("POST", "/api/workos/authorize_platform", person, authorizePlatform),
	served("GET", "/api/teams/{team}/workos_team_health", holder, teamHealth),
	served("GET", "/api/teams/{team}/workos_invitation_eligible_emails", person, invitableEmails),
	served("POST", "/api/workos/invite_team_member", person, inviteMember),
	served("POST", "/api/workos/get_or_provision_workos_environment", holder, provisionEnvironment),
	served("GET", "/api/deployments/{deployment}/workos_environment_health", holder, environmentHealth),
	served("POST", "/api/workos/delete_environment", holder, deleteEnvironment),
	served("GET", "/api/projects/{project}/workos_environments", holder, listProjectEnvironments),
	served("POST", "/api/projects/{project}/workos_environments", holder, createProjectEnvironment),
	served("GET", "/api/projects/{project}/workos_environments/{client}", holder, getProjectEnvironment),
	served("POST", "/api/workos/delete_project_environment", holder, deleteProjectEnvironment),
	served("POST", "/api/workos/check_project_environment_health", holder, projectEnvironmentHealth),

	// deployments on people's own machines
	served("POST", "/api/local_deployment/start", holder, localStart),
	served("POST", "/api/local_deployment/record_activity", holder, localSeen),
	served("POST", "/api/local_deployment/pause", holder, localSeen),
	served("POST", "/api/local_deployment/enable_feature_metadata", holder, localMetadata),

	// versions
	served("GET", "/v1/version", anyone, versionNews),
	served("GET", "/v1/agent_skills", anyone, agentSkills),
	served("GET", "/v1/guidelines", anyone, noFile("NoGuidelines", "Guidelines for assistants")),
	served("GET", "/v1/cursor_rules", anyone, noFile("NoCursorRules", "Rules for assistants")),
	served("GET", "/v1/local_backend_version", anyone, noFile("NoLocalBackend", "Backends to download")),

	// known, and not offered
	notOffered("/api/local_deployment/generate_admin_key", "LocalKeysNotOffered", "A key for the vendor's backend on somebody's machine, which older CLIs ask for,"),
	notOffered("/api/dashboard/teams/{team}/usage/query", "InsightsNotOffered", "The list of insights (conflicts and limits of the last days)"),
	notOffered("/v1/teams/{team}/list_local_deployments", "LocalDeploymentsNotKept", "Listing the deployments on people's own machines, which are not told here,"),
	notOffered("/v1/deployments/{deployment}/transfer", "TransferNotOffered", "Moving a deployment to another project"),
	notOffered("/v1/deployments/{deployment}/custom_domains", "CustomDomainsNotOffered", "A custom domain by this API (give the house a domain, see docs/PRODUCTION.md)"),
	notOffered("/v1/deployments/{deployment}/create_custom_domain", "CustomDomainsNotOffered", "A custom domain by this API (give the house a domain, see docs/PRODUCTION.md)"),
	notOffered("/v1/deployments/{deployment}/delete_custom_domain", "CustomDomainsNotOffered", "A custom domain by this API (give the house a domain, see docs/PRODUCTION.md)"),
	notOffered("/v1/teams/{team}/create_access_token", "TeamTokensNotOffered", "A token of a team (make one of your own, or a project's key)"),
	notOffered("/v1/teams/{team}/list_audit_log_events", "TeamAuditLogNotOffered", "The audit log of a team"),
	notOffered("/v1/teams/{team}/create_custom_role", "CustomRolesNotOffered", "A custom role (a team has admin, developer and viewer)"),
}

// Coverage is the table, as docs/SUPPORTED.md shows it.
func Coverage() []Route { return routes }

// Offered says whether a row is answered.
func (r *Route) Offered() bool { return r.handle != nil }
