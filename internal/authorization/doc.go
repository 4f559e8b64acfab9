// Package authorization decides who may do what on which part of an organisation:
// types of resources, resources in trees below their organisation, roles that
// memberships and groups have on resources, and the checks over all of these.
//
// It knows nothing of HTTP. Roles, permissions, memberships and groups are
// identity's; roles of the organisation as a whole are kept there and only shown
// here as roles on the organisation's own resource, so that tokens and checks
// cannot disagree.
//
// Invariants:
//   - A resource's parent is of a type that its own type names as parent. Types know
//     only types that were there before them, so neither types nor resources can form
//     a cycle, and no resource lies deeper than MaxDepth.
//   - A role is assigned only on resources of the role's own type.
//   - A check reads by index: the ancestors of one resource, and for each the
//     assignments of one member and its groups. It never walks what anybody else has.
//   - Whoever is not an active member may do nothing.
//   - A permission is about one type of resource; it is never granted on another.
package authorization
