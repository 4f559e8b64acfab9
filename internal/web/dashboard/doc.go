// Package dashboard shows a house to the people who operate it: its teams, projects
// and deployments, and of each deployment its data, functions, logs, variables,
// files, schedules and health, live.
//
// A page is a function from a Visit (who asks, and for what) to a view, which a
// template prints on the server. Nothing else exists: to be live, a page is printed
// again when what its function read has changed (database.Observe), and the regions
// whose HTML differs go to the browser over one event stream, where the room's one
// script puts them in. So no page has a second way to its data, and no key or token
// of a deployment ever reaches a browser.
//
// What people do are posts of forms to the page that shows the form. Each action is
// a row beside its page with the role that it needs, which may be higher in a
// production deployment. Roles are checked in one place, before any action runs.
//
// The room refuses to know how deployments are kept open (platform.Fleet), how
// people prove who they are (authflow), and everything about the protocols of apps.
package dashboard
