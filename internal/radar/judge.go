package radar

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// Subject is who tries; what is not known is empty.
type Subject struct {
	IPAddress   string
	UserAgent   string
	Email       string
	Device      string
	Fingerprint string
}

// Verdict is what is thought of an attempt.
type Verdict string

// The verdicts.
const (
	Allowed    Verdict = "allow"
	Blocked    Verdict = "block"
	Challenged Verdict = "challenge"
)

// The controls that decide; "" is none.
const (
	ControlRestriction = "restriction"
	ControlBruteForce  = "brute_force_attack"
	ControlRepeated    = "repeat_sign_up"
)

// Judgement is a verdict and why.
type Judgement struct {
	Verdict Verdict
	Reason  string
	Control string
	List    Kind // that decided; "" if none did
}

// entries are what of the subject may stand on a list of a kind. An address stands
// for itself and for every range around it, a domain for those below it.
func (s Subject) entries(k Kind) []string {
	one := func(text string) []string {
		if text, err := canonical(k, text); err == nil {
			return []string{text}
		}
		return nil
	}
	switch k {
	case IPAddress:
		ip, err := netip.ParseAddr(s.IPAddress)
		if err != nil {
			return nil
		}
		ip = ip.Unmap().WithZone("")
		out := []string{ip.String()}
		for bits := ip.BitLen(); bits >= 8; bits-- {
			if p, err := ip.Prefix(bits); err == nil {
				out = append(out, p.String())
			}
		}
		return out
	case Email:
		return one(s.Email)
	case Domain:
		_, domain, ok := strings.Cut(s.Email, "@")
		if !ok {
			return nil
		}
		var out []string
		for domain = strings.ToLower(strings.TrimSuffix(domain, ".")); strings.Contains(domain, "."); _, domain, _ = strings.Cut(domain, ".") {
			out = append(out, domain)
		}
		return out
	case Device:
		return one(s.Device)
	case Fingerprint:
		return one(s.Fingerprint)
	case UserAgent:
		return one(s.UserAgent)
	}
	return nil
}

// listed finds the kind of list on which the subject stands; "" if on none. Kinds
// without entries are not searched.
func listed(tx *identity.Tx, env identity.EnvironmentID, a Action, s Subject) (Kind, error) {
	for _, k := range kinds {
		some, err := tx.First(tableLists, "on_entry", string(env), string(a), string(k))
		if err != nil {
			return "", err
		}
		if some == nil {
			continue
		}
		for _, e := range s.entries(k) {
			f, err := tx.First(tableLists, "on_entry", string(env), string(a), string(k), e)
			if err != nil {
				return "", err
			}
			if f != nil {
				return k, nil
			}
		}
	}
	return "", nil
}

// Judge says what the lists say of a subject.
func (s *Service) Judge(tx *identity.Tx, env identity.EnvironmentID, who Subject) (Judgement, error) {
	k, err := listed(tx, env, Allow, who)
	if err != nil {
		return Judgement{}, err
	}
	if k != "" {
		return Judgement{Verdict: Allowed, Reason: "On the list of " + string(k) + " to allow.", Control: ControlRestriction}, nil
	}
	if k, err = listed(tx, env, Block, who); err != nil {
		return Judgement{}, err
	}
	if k != "" {
		return Judgement{Verdict: Blocked, Reason: "On the list of " + string(k) + " to block.", Control: ControlRestriction, List: k}, nil
	}
	return Judgement{Verdict: Allowed, Reason: "Nothing speaks against it."}, nil
}

// Guards says whether the environment keeps anybody out.
func (s *Service) Guards(tx *identity.Tx, env identity.EnvironmentID) (bool, error) {
	f, err := tx.First(tableLists, "on_entry", string(env), string(Block))
	return f != nil, err
}

// Attempt is a try that an application tells of.
type Attempt struct {
	Subject
	Method string
	SignUp bool
}

// Limits of tries, ours, within window. What succeeded does not count as a failure.
const (
	window       = 10 * time.Minute
	maxFailures  = 10  // for one mail address: then it is a challenge
	maxAttempts  = 100 // from one network address: then it is blocked
	maxSignUps   = 10  // from one network address
	keepAttempts = 30 * 24 * time.Hour
)

// Assess judges an attempt, remembers it, and gives its id.
func (s *Service) Assess(ctx context.Context, env identity.EnvironmentID, a Attempt) (id string, j Judgement, err error) {
	ip, err := netip.ParseAddr(a.IPAddress)
	if err != nil {
		return "", j, bad("ip_address must be an IP address.")
	}
	email, err := canonical(Email, a.Email)
	if err != nil {
		return "", j, err
	}
	if len(a.UserAgent) > 4*maxEntry || len(a.Fingerprint) > maxEntry {
		return "", j, bad("A user agent or a signals id is too long.")
	}
	address := ip.Unmap().WithZone("").String()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if j, err = s.Judge(tx, env, a.Subject); err != nil {
			return err
		}
		if j.Control == "" {
			if j, err = frequency(tx, env, email, address, a.SignUp, j); err != nil {
				return err
			}
		}
		id = identity.NewID("radar_attempt_")
		return tx.Add(tableAttempts, identity.Row{
			identity.Text("id", id), identity.Text("environment", env), identity.Text("email", email), identity.Text("address", address),
			identity.Text("method", a.Method), identity.Flag("sign_up", a.SignUp), identity.Text("verdict", j.Verdict), identity.Text("control", j.Control),
			identity.Flag("succeeded", false), identity.Flag("challenge_succeeded", false), identity.Time("created", tx.Now()),
			identity.Time("forget", tx.Now().Add(keepAttempts)),
		})
	})
	return id, j, err
}

// since is the part of an index of attempts that is not older than window.
func since(env identity.EnvironmentID, of string, now time.Time) database.Interval {
	in := database.Prefix(identity.Key(string(env), of))
	in.Lower = value.AppendKey(identity.Key(string(env), of), value.Float64(now.Add(-window).UnixMilli()))
	return in
}

// frequency judges by how often it was tried of late.
func frequency(tx *identity.Tx, env identity.EnvironmentID, email, address string, signUp bool, j Judgement) (Judgement, error) {
	failures, attempts, signUps := 0, 0, 0
	err := tx.Each(tableAttempts, "on_email", since(env, email, tx.Now()), database.Desc, func(f identity.Found) (bool, error) {
		if !f.Flag("succeeded") {
			failures++
		}
		return failures < maxFailures, nil
	})
	if err != nil {
		return j, err
	}
	err = tx.Each(tableAttempts, "on_address", since(env, address, tx.Now()), database.Desc, func(f identity.Found) (bool, error) {
		attempts++
		if f.Flag("sign_up") {
			signUps++
		}
		return attempts < maxAttempts, nil
	})
	switch {
	case err != nil:
		return j, err
	case attempts >= maxAttempts:
		return Judgement{Verdict: Blocked, Reason: "Too many attempts from this address.", Control: ControlBruteForce}, nil
	case signUp && signUps >= maxSignUps:
		return Judgement{Verdict: Challenged, Reason: "Many sign-ups from this address.", Control: ControlRepeated}, nil
	case failures >= maxFailures:
		return Judgement{Verdict: Challenged, Reason: "Many attempts for this account came to nothing.", Control: ControlBruteForce}, nil
	}
	return j, nil
}

// Note writes down how an attempt ended; what is false stays as it was.
func (s *Service) Note(ctx context.Context, env identity.EnvironmentID, id string, succeeded, challenge bool) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableAttempts, "on_environment", string(env), id)
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("Radar attempt", id)
		}
		return tx.Patch(f, identity.Row{identity.Flag("succeeded", f.Flag("succeeded") || succeeded),
			identity.Flag("challenge_succeeded", f.Flag("challenge_succeeded") || challenge)})
	})
}

// RecordRisk writes that the house's own sign-in was stopped.
func (s *Service) RecordRisk(ctx context.Context, env identity.EnvironmentID, who Subject, user identity.UserID, method, action string, j Judgement) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		return tx.Record(env, "authentication.radar_risk_detected", risk{Method: method, Action: action, Control: nullable(j.Control), List: nullable(j.List),
			IPAddress: nullable(who.IPAddress), UserAgent: nullable(who.UserAgent), User: string(user), Email: who.Email})
	})
}

// risk is the data of the event.
type risk struct {
	Method    string  `json:"auth_method"`
	Action    string  `json:"action"`
	Control   *string `json:"control"`
	List      *Kind   `json:"blocklist_type"`
	IPAddress *string `json:"ip_address"`
	UserAgent *string `json:"user_agent"`
	User      string  `json:"user_id"`
	Email     string  `json:"email"`
}

// nullable is s as JSON wants it: null when empty.
func nullable[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
