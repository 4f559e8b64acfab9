package dashboard

import "github.com/lentil-dev/lentil/internal/platform"

// table lists all pages and what can be done on them. A row's roles are the whole of
// who may what.
func (s *Site) table() []page {
	rows := []page{
		{path: "/sign-in", scope: public, show: s.showSignIn, actions: []action{{name: "link", do: s.followLink}}},
		{path: "/{$}", scope: house, show: s.showHome, actions: []action{
			{name: "team", owner: true, do: s.createTeam},
		}},
		{path: "/t/{team}", scope: inTeam, show: s.showTeam, actions: []action{
			{name: "project", need: platform.Developer, do: s.createProject},
		}},
		{path: "/t/{team}/-/members", scope: inTeam, show: s.showMembers, actions: []action{
			{name: "invite", need: platform.Administrator, do: s.invite},
			{name: "role", need: platform.Administrator, do: s.changeRole},
			{name: "remove", need: platform.Administrator, do: s.removeMember},
		}},
		{path: "/you", scope: house, show: s.showYou, actions: []action{
			{name: "create", do: s.createToken},
			{name: "revoke", do: s.revokeMine}, {name: "account", do: s.makeAccount},
		}},
		{path: "/t/{team}/{project}", scope: inProject, show: s.showProject, actions: []action{
			{name: "create", need: platform.Developer, do: s.createDeployment},
			{name: "key", need: platform.Administrator, do: s.createProjectKey}, {name: "revoke", need: platform.Administrator, do: s.revokeProjectKey},
			{name: "default", need: platform.Administrator, do: s.setDefault},
			{name: "rename", need: platform.Administrator, do: s.renameProject},
			{name: "delete", need: platform.Administrator, do: s.deleteProject},
		}},
		{path: "/t/{team}/{project}/{reference...}", scope: inProject, show: s.toDeployment},
		{path: "/d/{deployment}", scope: inDeployment, show: s.toHealth},
	}
	rows = append(rows, s.deploymentPages()...)
	rows = append(rows, s.signInPages()...)
	return rows
}

// deploymentPages are the pages of a deployment, in the order of its list of pages.
func (s *Site) deploymentPages() []page {
	// What changes a deployment takes a developer, in production an administrator.
	change := func(name string, do func(*Visit) (string, error)) action {
		return action{name: name, need: platform.Developer, prod: platform.Administrator, do: do}
	}
	return []page{
		{path: "/d/{deployment}/health", scope: inDeployment, show: s.showHealth, nav: "Health", group: "Deployment", icon: "health", key: "h"},
		{path: "/d/{deployment}/data", scope: inDeployment, show: s.showData, nav: "Data", group: "Deployment", icon: "data", key: "d", actions: []action{
			change("add", s.addDocument), change("save", s.saveDocument), change("doom", s.doomDocuments), change("delete", s.deleteDocuments), change("clear", s.clearTable),
		}},
		{path: "/d/{deployment}/functions", scope: inDeployment, show: s.showFunctions, nav: "Functions", group: "Deployment", icon: "function", key: "f", actions: []action{
			change("run", s.runFunction),
		}},
		{path: "/d/{deployment}/logs", scope: inDeployment, show: s.showLogs, nav: "Logs", group: "Deployment", icon: "logs", key: "l", actions: []action{
			{name: "pause", need: platform.Viewer, do: s.pauseLogs},
		}},
		{path: "/d/{deployment}/schedules", scope: inDeployment, show: s.showSchedules, nav: "Schedules", group: "Deployment", icon: "schedule", key: "s", actions: []action{
			change("cancel", s.cancelJob), change("all", s.cancelJobs), change("cron", s.runCron),
		}},
		{path: "/d/{deployment}/variables", scope: inDeployment, show: s.showVariables, nav: "Variables", group: "Deployment", icon: "variables", key: "v", actions: []action{
			change("set", s.setVariable), change("delete", s.deleteVariable), change("paste", s.pasteVariables),
		}},
		{path: "/d/{deployment}/files", scope: inDeployment, show: s.showFiles, nav: "Files", group: "Deployment", icon: "files", key: "i", actions: []action{
			{name: "upload", need: platform.Developer, prod: platform.Administrator, file: s.uploadFile}, change("delete", s.deleteFile),
		}},
		{path: "/d/{deployment}/history", scope: inDeployment, show: s.showHistory, nav: "History", group: "Deployment", icon: "history", key: "y"},
		{path: "/d/{deployment}/backups", scope: inDeployment, show: s.showBackups, nav: "Backups", group: "Deployment", icon: "download", key: "b", actions: []action{
			{name: "export", need: platform.Developer, do: s.export}, {name: "import", need: platform.Developer, prod: platform.Administrator, file: s.importZip}, change("confirm", s.confirmImport),
		}},
		{path: "/d/{deployment}/settings", scope: inDeployment, show: s.showSettings, nav: "Settings", group: "Deployment", icon: "settings", key: "t", actions: []action{
			change("key", s.createKey), change("revoke", s.revokeKey), change("expiry", s.setExpiry), {name: "delete", need: platform.Administrator, do: s.deleteDeployment},
			change("stream", s.createStream), change("unstream", s.deleteStream),
		}},
	}
}

// NavGroup is a heading in the list of a deployment's pages.
type NavGroup struct {
	Name  string
	Items []NavItem
}

// NavItem is one of them.
type NavItem struct {
	Name, Icon, Key, URL string
	Here                 bool
}
