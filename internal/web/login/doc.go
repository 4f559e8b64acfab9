// Package login shows the hosted sign-in pages and the development outbox.
//
// It turns the steps of an [authflow] attempt into HTML forms that work without
// script, and the posted forms back into answers. It owns templates, the one
// stylesheet, page structs and the attempt's cookie; it refuses to know any rule
// of signing in: what is asked next, what is accepted and when an attempt ends
// are authflow's. The foreign protocol around it (authorize, authenticate,
// logout) is wire/workos's; that room hands attempts and refusals over through
// [Pages].
//
// Invariants:
//
//   - An attempt's id stands in the address and opens nothing by itself: what proves
//     the browser is authflow's cookie, which is HttpOnly and host-only.
//   - GET changes nothing that matters: links move within an attempt, and "Resend code"
//     sends at most what authflow's limits allow; prefetches are refused.
//   - Each form page has exactly one button named "Continue", and it comes first, so
//     that the Enter key presses it; other ways on are links, or buttons where what
//     was typed has to come along.
//   - No page contains inline script or style, and none loads from another host.
package login
