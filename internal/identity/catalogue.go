package identity

import (
	"maps"
	"slices"
)

// An eventReach says who may hear of an event.
type eventReach bool

// Every event is in the history; most are sent to webhook endpoints, too.
const (
	historyOnly eventReach = false
	subscribed  eventReach = true
)

// catalogue holds the name of every event there is, as of version 0.61 of the
// public description (EventSchema and CreateWebhookEndpointDto); the shape of each
// one's data stands in wire/workos/contract.
var catalogue = map[string]eventReach{
	"action.authentication.denied":                   historyOnly,
	"action.user_registration.denied":                historyOnly,
	"agent.registration.claim.attempt.created":       subscribed,
	"agent.registration.claim.completed":             subscribed,
	"agent.registration.created":                     subscribed,
	"agent.registration.credential.issued":           subscribed,
	"agent.registration.deleted":                     subscribed,
	"agent.registration.expired":                     subscribed,
	"agent.registration.organization.switched":       subscribed,
	"agent.registration.refreshed":                   subscribed,
	"agent.registration.revoked":                     subscribed,
	"api_key.created":                                subscribed,
	"api_key.revoked":                                subscribed,
	"api_key.updated":                                subscribed,
	"authentication.email_verification_failed":       historyOnly,
	"authentication.email_verification_succeeded":    subscribed,
	"authentication.magic_auth_failed":               subscribed,
	"authentication.magic_auth_succeeded":            subscribed,
	"authentication.mfa_failed":                      historyOnly,
	"authentication.mfa_succeeded":                   subscribed,
	"authentication.oauth_failed":                    subscribed,
	"authentication.oauth_succeeded":                 subscribed,
	"authentication.passkey_failed":                  subscribed,
	"authentication.passkey_succeeded":               subscribed,
	"authentication.password_failed":                 subscribed,
	"authentication.password_succeeded":              subscribed,
	"authentication.radar_risk_detected":             subscribed,
	"authentication.reauthentication_succeeded":      subscribed,
	"authentication.sso_failed":                      subscribed,
	"authentication.sso_started":                     subscribed,
	"authentication.sso_succeeded":                   subscribed,
	"authentication.sso_timed_out":                   subscribed,
	"connection.activated":                           subscribed,
	"connection.deactivated":                         subscribed,
	"connection.deleted":                             subscribed,
	"connection.saml_certificate_renewal_required":   subscribed,
	"connection.saml_certificate_renewed":            subscribed,
	"dsync.activated":                                subscribed,
	"dsync.deleted":                                  subscribed,
	"dsync.group.created":                            subscribed,
	"dsync.group.deleted":                            subscribed,
	"dsync.group.updated":                            subscribed,
	"dsync.group.user_added":                         subscribed,
	"dsync.group.user_removed":                       subscribed,
	"dsync.token.created":                            historyOnly,
	"dsync.token.revoked":                            historyOnly,
	"dsync.user.created":                             subscribed,
	"dsync.user.deleted":                             subscribed,
	"dsync.user.updated":                             subscribed,
	"email_verification.created":                     subscribed,
	"flag.created":                                   subscribed,
	"flag.deleted":                                   subscribed,
	"flag.rule_updated":                              subscribed,
	"flag.updated":                                   subscribed,
	"group.created":                                  subscribed,
	"group.deleted":                                  subscribed,
	"group.member_added":                             subscribed,
	"group.member_removed":                           subscribed,
	"group.updated":                                  subscribed,
	"invitation.accepted":                            subscribed,
	"invitation.created":                             subscribed,
	"invitation.resent":                              subscribed,
	"invitation.revoked":                             subscribed,
	"magic_auth.created":                             subscribed,
	"organization.created":                           subscribed,
	"organization.deleted":                           subscribed,
	"organization.updated":                           subscribed,
	"organization_domain.created":                    subscribed,
	"organization_domain.deleted":                    subscribed,
	"organization_domain.updated":                    subscribed,
	"organization_domain.verification_failed":        subscribed,
	"organization_domain.verified":                   subscribed,
	"organization_membership.created":                subscribed,
	"organization_membership.deleted":                subscribed,
	"organization_membership.updated":                subscribed,
	"organization_role.created":                      subscribed,
	"organization_role.deleted":                      subscribed,
	"organization_role.updated":                      subscribed,
	"password_reset.created":                         subscribed,
	"password_reset.succeeded":                       subscribed,
	"permission.created":                             subscribed,
	"permission.deleted":                             subscribed,
	"permission.updated":                             subscribed,
	"pipes.connected_account.connected":              subscribed,
	"pipes.connected_account.connection_failed":      subscribed,
	"pipes.connected_account.disconnected":           subscribed,
	"pipes.connected_account.reauthorization_needed": subscribed,
	"radar.challenge_created":                        subscribed,
	"role.created":                                   subscribed,
	"role.deleted":                                   subscribed,
	"role.updated":                                   subscribed,
	"session.created":                                subscribed,
	"session.revoked":                                subscribed,
	"user.created":                                   subscribed,
	"user.deleted":                                   subscribed,
	"user.updated":                                   subscribed,
	"vault.byok_key.deleted":                         historyOnly,
	"vault.byok_key.verification_completed":          historyOnly,
	"vault.data.created":                             historyOnly,
	"vault.data.deleted":                             historyOnly,
	"vault.data.read":                                historyOnly,
	"vault.data.updated":                             historyOnly,
	"vault.dek.decrypted":                            historyOnly,
	"vault.dek.read":                                 historyOnly,
	"vault.kek.created":                              historyOnly,
	"vault.kek.deleted":                              historyOnly,
	"vault.metadata.read":                            historyOnly,
	"vault.names.listed":                             historyOnly,
	"waitlist_user.approved":                         subscribed,
	"waitlist_user.created":                          subscribed,
	"waitlist_user.denied":                           subscribed,
}

// EventNames lists every event there is.
func EventNames() []string { return slices.Sorted(maps.Keys(catalogue)) }

// KnownEvent reports whether there is an event of this name.
func KnownEvent(name string) bool {
	_, ok := catalogue[name]
	return ok
}

// WebhookEvent reports whether webhook endpoints may subscribe to the event.
func WebhookEvent(name string) bool { return catalogue[name] == subscribed }
