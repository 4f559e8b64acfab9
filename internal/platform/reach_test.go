package platform_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
)

// TestNothingOfADeletedProjectStays: ids are given again.
func TestNothingOfADeletedProjectStays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	if _, err := p.EnsureDeployment(ctx, ""); err != nil {
		t.Fatal(err)
	}
	old, err := p.CreateProject(ctx, 1, "Old")
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.ProjectKey, Name: "CI", Project: old.ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetDefaultVariable(ctx, old.ID, "SECRET", ptr("of the old one"), []platform.Kind{platform.Dev}); err != nil {
		t.Fatal(err)
	}
	env, err := p.CreateProjectEnvironment(ctx, old.ID, "Staging", false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: old.ID, Kind: platform.Dev})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteProject(ctx, old.ID); code(err) != "ProjectHasDeployments" {
		t.Fatalf("with a deployment: %v", err)
	}
	if _, err := p.ProjectEnvironment(ctx, old.ID, env.Client); err != nil {
		t.Errorf("a deletion that is refused takes something away: %v", err)
	}
	if err := p.DeleteDeployment(ctx, d.Name); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteProject(ctx, old.ID); err != nil {
		t.Fatal(err)
	}
	next, err := p.CreateProject(ctx, 1, "Next")
	if err != nil || next.ID != old.ID {
		t.Fatalf("the next project is %+v, %v: the test wants the same id", next, err)
	}
	if _, err := p.Authenticate(ctx, key); code(err) != "InvalidAccessToken" {
		t.Errorf("a key of the old project: %v", err)
	}
	if v, err := p.DefaultVariables(ctx, next.ID); err != nil || len(v) != 0 {
		t.Errorf("variables of the old project: %v, %v", v, err)
	}
	if e, err := p.ProjectEnvironments(ctx, next.ID); err != nil || len(e) != 0 {
		t.Errorf("environments of the old project: %v, %v", e, err)
	}
	if _, _, err := p.Identity.AuthenticateKey(ctx, env.APIKey); apierr.KindOf(err) != apierr.Unauthenticated {
		t.Errorf("an API key of the old project: %v", err)
	}
}

func TestCredentialsAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	if _, err := p.EnsureDeployment(ctx, ""); err != nil {
		t.Fatal(err)
	}
	owner, err := p.Owner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first := ""
	for i := range 60 {
		_, text, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.SessionToken, Operator: owner.ID})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = text
		}
	}
	if list, err := p.Credentials(ctx, owner.ID); err != nil || len(list) != 50 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	if _, err := p.Authenticate(ctx, first); err == nil {
		t.Error("the oldest session made no room")
	}
	for i := 0; ; i++ {
		_, _, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.PersonalToken, Name: fmt.Sprint(i), Operator: owner.ID})
		if code(err) == "TooManyKeys" && i == 500 {
			break
		}
		if err != nil || i > 500 {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	if _, _, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.LinkToken, Operator: owner.ID}); err != nil {
		t.Errorf("full of tokens, an operator cannot sign in: %v", err)
	}
}

func TestTablesAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet, p.MaxDeployments, p.MaxProjects = &fleet{}, 2, 2
	if _, err := p.EnsureDeployment(ctx, ""); err != nil {
		t.Fatal(err)
	}
	owner, err := p.Owner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	until := func(want string, most int, f func(i int) error) {
		t.Helper()
		for i := range most + 1 {
			switch err := f(i); {
			case err == nil:
			case code(err) != want:
				t.Fatalf("%d: %v, not %s", i, err, want)
			default:
				return
			}
		}
		t.Errorf("%d and no %s", most+1, want)
	}
	until("TooManyDeployments", 2, func(int) error {
		_, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: 1, Kind: platform.Preview})
		return err
	})
	until("TooManyProjects", 2, func(int) error { _, err := p.CreateProject(ctx, 1, "x"); return err })
	until("EnvVarLimitMet", 512, func(i int) error {
		return p.SetDefaultVariable(ctx, 1, fmt.Sprintf("V%d", i), ptr("1"), []platform.Kind{platform.Dev})
	})
	if err := p.SetDefaultVariable(ctx, 1, "LONG", ptr(strings.Repeat("x", 8<<10+1)), []platform.Kind{platform.Dev}); code(err) != "EnvironmentVariableValueTooLarge" {
		t.Errorf("a long value: %v", err)
	}
	local, domain, _ := strings.Cut(owner.Email, "@")
	until("TooManyMembers", 200, func(i int) error {
		_, err := p.InviteToWorkspace(ctx, 1, owner, fmt.Sprintf("%s+%d@%s", local, i, domain))
		return err
	})
}

func TestLinkUsedTwiceAtOnceSignsInOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	if _, err := p.EnsureDeployment(ctx, ""); err != nil {
		t.Fatal(err)
	}
	owner, err := p.Owner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, link, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.LinkToken, Operator: owner.ID})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	won := make(chan string, 20)
	for range cap(won) {
		wg.Go(func() {
			if _, session, err := p.UseLink(ctx, link); err == nil {
				won <- session
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d of %d were signed in", len(won), cap(won))
	}
}

func TestNamesOfOperatorsAreBounded(t *testing.T) {
	t.Parallel()
	p := open(t, persistence.NewMemory())
	for _, name := range []string{strings.Repeat("n", 101), "Ada\x1b[31m", "Ada\nlevel=ERROR"} {
		if _, err := p.AddOperator(t.Context(), "ada@example.com", name, 1, platform.Viewer); code(err) != "InvalidName" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestEnvironmentsOfOtherTeamsAreNotTold: their client ids are public, and anybody can
// put them into a deployment's variables.
func TestEnvironmentsOfOtherTeamsAreNotTold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	owner, err := p.Owner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if home, err = p.EnsureDevEnvironment(ctx, home.Name, platform.DevEnvironment{}); err != nil {
		t.Fatal(err)
	}
	shared, err := p.CreateProjectEnvironment(ctx, home.Project, "Shared", false)
	if err != nil {
		t.Fatal(err)
	}
	team, err := p.CreateTeam(ctx, "Neighbours", owner.ID)
	if err != nil {
		t.Fatal(err)
	}
	project, err := p.CreateProject(ctx, team.ID, "Theirs")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: project.ID, Kind: platform.Dev})
	if err != nil {
		t.Fatal(err)
	}
	nobodys, err := p.Identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: "Operators", Kind: identity.Development})
	if err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]identity.ClientID{"a deployment's": home.Client, "a project's": shared.Client, "nobody's": nobodys.ClientID} {
		e, err := p.Identity.EnvironmentByClient(ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		if sees, err := p.SeesEnvironment(ctx, home.Name, e); err != nil || !sees {
			t.Errorf("%s, from its own team: %v, %v", name, sees, err)
		}
		if sees, err := p.SeesEnvironment(ctx, theirs.Name, e); err != nil || sees {
			t.Errorf("%s, from another team: %v, %v", name, sees, err)
		}
	}
}
