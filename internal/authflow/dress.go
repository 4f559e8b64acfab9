package authflow

import (
	"cmp"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// dress adds to a page what the machine does not know: the environment, and what is
// secret or a list.
func (f *Flow) dress(tx *identity.Tx, s Step, e *identity.Environment, a *attempt) (_ Step, err error) {
	if sc := s.screen(); sc != nil {
		sc.Environment = *e
		if sc.Brand, err = tx.Branding(e.ID); err != nil {
			return nil, err
		}
	}
	if err := f.dressPasskey(tx, s, e, a); err != nil {
		return nil, err
	}
	switch s := s.(type) {
	case *Done:
		s.Client = e.ClientID
	case *AskSignIn:
		s.Elsewhere = f.elsewhere(tx, e)
	case *AskSignUp:
		s.Elsewhere = f.elsewhere(tx, e)
	case *AskEnroll:
		if s.Secret, err = enrollSecret(tx, e, a.ID); err == nil {
			s.URI = identity.TOTPURI(cmp.Or(s.Brand.Name, e.Name), a.Email, s.Secret)
		}
	case *TellRecoveryCodes:
		s.Codes, err = recoveryCodes(tx, e, a.ID)
	case *AskOrganization:
		s.Organizations, err = choices(tx, e, a.Proof.User)
	case *TellNotMember:
		var o *identity.Organization
		if o, err = tx.Organization(e.ID, a.Organization); err == nil {
			s.Organization = o.Name
		} else if apierr.KindOf(err) == apierr.NotFound {
			err = nil
		}
	}
	return s, err
}

// choices are the organizations that a person can go on with, by name.
func choices(tx *identity.Tx, e *identity.Environment, user identity.UserID) ([]Choice, error) {
	all, err := tx.Memberships(e.ID, user)
	if err != nil {
		return nil, err
	}
	var out []Choice
	for _, m := range all {
		if m.Status != identity.MembershipActive {
			continue
		}
		o, err := tx.Organization(e.ID, m.Organization)
		if err != nil {
			return nil, err
		}
		out = append(out, Choice{o.ID, o.Name})
	}
	slices.SortFunc(out, func(a, b Choice) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}
