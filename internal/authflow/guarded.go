package authflow

import (
	"context"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/radar"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// Guarded are Actions with Radar's lists before them: who is kept out is refused
// before any action is asked.
type Guarded struct {
	Radar *radar.Service
	Next  Actions
}

// Asks reports whether lists or actions have a say.
func (g Guarded) Asks(tx *identity.Tx, env identity.EnvironmentID, kind webhook.ActionKind) (bool, error) {
	if guards, err := g.Radar.Guards(tx, env); err != nil || guards {
		return guards, err
	}
	return g.Next.Asks(tx, env, kind)
}

// blockedMessage is what somebody reads who is kept out; it does not say by what.
const blockedMessage = "You cannot sign in from here. Ask the people who run this application."

// Action looks at the lists, then asks the action if there is one.
func (g Guarded) Action(ctx context.Context, env *identity.Environment, kind webhook.ActionKind, c webhook.ActionContext) (webhook.Verdict, error) {
	who := radar.Subject{IPAddress: c.IPAddress, UserAgent: c.UserAgent, Email: c.Email}
	var user identity.UserID
	if c.User != nil {
		who.Email, user = c.User.Email, c.User.ID
	}
	var j radar.Judgement
	asks := false
	err := g.Radar.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		if j, err = g.Radar.Judge(tx, env.ID, who); err != nil {
			return err
		}
		asks, err = g.Next.Asks(tx, env.ID, kind)
		return err
	})
	if err != nil {
		return webhook.Verdict{}, err
	}
	if j.Verdict == radar.Blocked {
		action := "login"
		if kind == webhook.ActionUserRegistration {
			action = "signup"
		}
		return webhook.Verdict{Denied: true, Message: blockedMessage}, g.Radar.RecordRisk(ctx, env.ID, who, user, c.Method, action, j)
	}
	if !asks {
		return webhook.Verdict{}, nil
	}
	return g.Next.Action(ctx, env, kind, c)
}
