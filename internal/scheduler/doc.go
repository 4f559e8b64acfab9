// Package scheduler owns what is to happen later: the rows of scheduled
// functions and of cron jobs, when each is due, and who runs next.
//
// It refuses to know how a function runs: its Worker hands each due Job to the
// field Run, which claims it with Begin and settles it with End. What is
// scheduled and canceled within a transaction commits or vanishes with it.
//
// Invariants:
//   - A mutation claims, runs and settles its job in one transaction, so its
//     effects and the job's new state commit together: exactly once. Outside of
//     that transaction it is never seen in progress.
//   - An action's job is in progress, durably, before the action begins, and is
//     never begun again: at most once. A row found in progress when the worker
//     starts belongs to a run that a crash ended.
//   - A job that was canceled stays canceled, whatever its run comes to.
//   - A cron job has at most one run in flight. Occurrences that pass meanwhile,
//     or while nothing runs, are skipped but for one.
//   - Of a row only the fields "due" and "component" are not the user's to see.
//   - Each namespace of tables has its own rows; what is scheduled is in that of
//     whoever scheduled it.
//
// The loops of the worker share nothing; each owns its state and needs no lock.
package scheduler
