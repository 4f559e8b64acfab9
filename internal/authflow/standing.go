package authflow

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// checkFactor lets look tell whether a second factor is right, as often as the limits
// on guessing allow.
func (f *Flow) checkFactor(ctx context.Context, e *identity.Environment, v Visitor, user identity.UserID, look func(*identity.Tx) (factorChecked, error)) (input, error) {
	k := accountKey("factor", string(e.ID), string(user))
	if retry := f.limits.take(k, limitCode, time.Now()); retry > 0 {
		return guessedTooMuch{Retry: retry}, nil
	}
	var out factorChecked
	err := f.Identity.Update(ctx, func(tx *identity.Tx) (err error) {
		if out, err = look(tx); err != nil || out.OK {
			return err
		}
		u, err := tx.User(e.ID, user)
		if err != nil {
			return err
		}
		ev := authentication("mfa", "failed", u, v.IPAddress, v.UserAgent, u.Email)
		ev.Error = &identity.EventErr{Code: "invalid_one_time_code", Message: "Invalid one-time code."}
		return tx.RecordAuthentication(e.ID, ev)
	})
	if apierr.KindOf(err) == apierr.NotFound { // deleted meanwhile
		return factorChecked{}, nil
	}
	if err == nil && out.OK {
		f.limits.clear(k)
	}
	return out, err
}

// standing is the outcome of lookStanding.
func (f *Flow) standing(tx *identity.Tx, e *identity.Environment, ask lookStanding) (st standing, err error) {
	u, err := userOf(tx, e, ask.User, ask.Email)
	if err != nil {
		return st, err
	}
	email := ask.Email
	if u != nil {
		email = u.Email
	}
	if f.SSO != nil {
		c, err := f.SSO.Home(tx, e.ID, email)
		if err != nil {
			return st, err
		}
		if c != nil {
			st.Home, st.HomeOf = c.ID, c.Organization
		}
	}
	if u == nil { // a sign-up
		if ask.Invitation != "" {
			st.Invited, err = invitationOf(tx, e, ask.Invitation, &identity.User{Email: ask.Email})
			if org := st.Invited.Organization; err == nil && org != "" {
				m := membership{Organization: org}
				m.MFA, err = tx.OrganizationMFA(e.ID, org)
				st.Members = append(st.Members, m)
			}
		}
		return st, err
	}
	st.User, st.Verified = u.ID, u.EmailVerified
	factors, err := tx.Factors(e.ID, u.ID)
	if err != nil {
		return st, err
	}
	st.Factor = slices.ContainsFunc(factors, func(f identity.Factor) bool { return f.Type == identity.FactorTOTP })
	all, err := tx.Memberships(e.ID, u.ID)
	if err != nil {
		return st, err
	}
	for _, m := range all {
		if m.Status != identity.MembershipActive {
			continue
		}
		p, err := tx.OrganizationMFA(e.ID, m.Organization)
		if err != nil {
			return st, err
		}
		st.Members = append(st.Members, membership{m.Organization, p})
	}
	if ask.Invitation == "" {
		return st, nil
	}
	if st.Invited, err = invitationOf(tx, e, ask.Invitation, u); err != nil || st.Invited.Organization == "" {
		return st, err
	}
	if !slices.ContainsFunc(st.Members, func(m membership) bool { return m.Organization == st.Invited.Organization }) {
		p, err := tx.OrganizationMFA(e.ID, st.Invited.Organization)
		if err != nil {
			return st, err
		}
		st.Members = append(st.Members, membership{st.Invited.Organization, p})
	}
	return st, nil
}

// invitationOf tells whether a user can use an invitation, which organization it is to
// then, or why not.
func invitationOf(tx *identity.Tx, e *identity.Environment, id identity.InvitationID, u *identity.User) (out invitation, err error) {
	i, err := tx.Invitation(e.ID, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return invitation{Fault: InvitationUnknown}, nil
	}
	if err != nil {
		return out, err
	}
	out.Fault = faultOf(i, tx.Now())
	if i.AcceptedBy != "" && i.AcceptedBy == u.ID {
		out.Fault = ""
	}
	if out.Fault == "" && !i.Invites(u.Email) {
		out.Fault = InvitationOther
	}
	if out.Fault == "" {
		out.Organization = i.Organization
	}
	return out, nil
}

// faultOf is why an invitation cannot be used by anybody; "" if it can.
func faultOf(i *identity.Invitation, now time.Time) LinkFault {
	return map[identity.InvitationState]LinkFault{identity.InvitationAccepted: InvitationUsed, identity.InvitationExpired: InvitationExpired,
		identity.InvitationRevoked: InvitationRevoked}[i.State(now)]
}

// userOf finds a user by id or, without one, by address; nil if there is none.
func userOf(tx *identity.Tx, e *identity.Environment, id identity.UserID, email string) (*identity.User, error) {
	if id == "" {
		return tx.UserByEmail(e.ID, email)
	}
	u, err := tx.User(e.ID, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, nil
	}
	return u, err
}
