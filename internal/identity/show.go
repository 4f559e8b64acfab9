package identity

import "time"

// ShowUser is a user as events show it.
func ShowUser(u *User) any { return userData(u) }

// ShowOrganization is an organization as events show it.
func ShowOrganization(o *Organization) any { return organizationData(o) }

// ShowMembership is a membership as events show it.
func ShowMembership(m *Membership) any { return membershipData(m) }

// ShowInvitation is an invitation as events show it.
func ShowInvitation(i *Invitation, now time.Time) any { return invitationData(i, now) }
