package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/value"
)

// await waits until something holds, with an end that only a fault reaches.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// isOpen says whether a deployment is open.
func isOpen(s *server.Server, name string) bool { return slices.Contains(s.OpenDeployments(), name) }

// within opens a deployment for as long as f runs.
func within(t *testing.T, s *server.Server, name string, f func(ctx context.Context, db *database.DB)) {
	t.Helper()
	ctx, done := context.WithCancel(t.Context())
	defer done()
	d, err := s.Platform().Fleet.Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	f(ctx, d.DB)
}

// schedule notes a function for later; there is none of that name, so that it fails
// when it is run.
func schedule(t *testing.T, s *server.Server, name string, after time.Duration) (id value.ID) {
	t.Helper()
	within(t, s, name, func(ctx context.Context, db *database.DB) {
		if _, err := db.Update(ctx, func(tx *database.Tx) (err error) {
			id, err = scheduler.Schedule(ctx, tx, scheduler.Call{Path: "no.js:thing", At: float64(time.Now().Add(after).UnixMilli())}, time.Now())
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
	return id
}

// jobState is the state of a scheduled function.
func jobState(t *testing.T, s *server.Server, name string, id value.ID) (state string) {
	t.Helper()
	within(t, s, name, func(ctx context.Context, db *database.DB) {
		if err := db.View(ctx, func(tx *database.Tx) (err error) {
			state, err = scheduler.State(ctx, tx, id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
	return state
}

func TestFleetClosesWhatIsIdleAndOpensItForItsJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(c *server.Config) { c.Data, c.DeploymentIdle = dir, 50*time.Millisecond }
	s, stop := start(t, in)
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	row := func() *platform.Deployment {
		row, err := s.Platform().Deployment(t.Context(), d.Name)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	var id value.ID
	// A machine may be too busy to close it before its job is due; then the next job has more time.
	for after := time.Second; ; after *= 4 {
		due := time.Now().Add(after)
		id = schedule(t, s, d.Name, after)
		await(t, "closed before its job", func() bool { return !row().Awake })
		if now := row(); !now.Due.IsZero() && !now.Awake {
			break
		} else if time.Now().Before(due) {
			t.Fatalf("row = %+v", now)
		}
	}
	// Nobody but the keeper opens it; that nothing is due any more is what remains of it.
	await(t, "opened for its job", func() bool { return row().Due.IsZero() })
	await(t, "job has run", func() bool { return jobState(t, s, d.Name, id) == scheduler.Failed })
	await(t, "closed again", func() bool { return !isOpen(s, d.Name) })

	// What becomes due while the house is away is done at its next start.
	id = schedule(t, s, d.Name, 300*time.Millisecond)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, in)
	await(t, "job has run after a restart", func() bool { return jobState(t, s, d.Name, id) == scheduler.Failed })
}

func TestFleetLooksForJobsAfterACrash(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	s, _ := start(t, func(c *server.Config) { c.Data = dir })
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	id := schedule(t, s, d.Name, 100*time.Millisecond)
	// What is on the disk while the house runs is what a crash would leave. A file that
	// goes while the others are copied was there at no moment together with them.
	for {
		err := os.CopyFS(copied, os.DirFS(dir))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.RemoveAll(copied); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = start(t, func(c *server.Config) { c.Data = copied })
	await(t, "opened by itself", func() bool { return isOpen(s, d.Name) })
	await(t, "job has run", func() bool { return jobState(t, s, d.Name, id) == scheduler.Failed })
}

// sync is a socket of the sync protocol.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

// dial opens a socket, as an admin with a key.
func dial(t *testing.T, url, key string) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/api/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	s := &socket{t, conn}
	s.say(`{"type":"Connect","sessionId":"8d0cbd4e-6e0c-4b5e-8f3b-2a3f3f4f5a6b","connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":1}`)
	s.say(fmt.Sprintf(`{"type":"Authenticate","tokenType":"Admin","value":%q,"baseVersion":0}`, key))
	s.say(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"_system/cli/convexUrl:cloudUrl","args":[{}]}]}`)
	return s
}

func (s *socket) say(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// hear waits for a message with a text in it.
func (s *socket) hear(text string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		_, b, err := s.conn.Read(ctx)
		if err != nil || strings.Contains(string(b), text) {
			return err
		}
	}
}

func TestFleetLeavesWhatHasASocketOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.DeploymentIdle = dir, 30*time.Millisecond })
	watched, other := create(t, s, platform.NewDeployment{Kind: platform.Dev}), create(t, s, platform.NewDeployment{Kind: platform.Dev})
	fleet := s.Platform().Fleet
	url, _, err := fleet.Addresses(t.Context(), watched.Name)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := fleet.AdminKey(watched.Name)
	ws := dial(t, url, key)
	if err := ws.hear(url); err != nil {
		t.Fatalf("the query does not answer: %v", err)
	}
	for range 3 {
		schedule(t, s, other.Name, time.Hour)
		await(t, "the other is closed", func() bool { return !isOpen(s, other.Name) })
	}
	if !isOpen(s, watched.Name) {
		t.Error("a deployment with a socket was closed")
	}
	if err := ws.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Log(err)
	}
	await(t, "closed when the socket went", func() bool { return !isOpen(s, watched.Name) })
	if err := s.Platform().DeleteDeployment(t.Context(), other.Name); err != nil {
		t.Fatal(err)
	}
}

func TestFleetDeletesUnderOpenSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data = dir })
	d := create(t, s, platform.NewDeployment{Kind: platform.Preview})
	fleet := s.Platform().Fleet
	url, _, err := fleet.Addresses(t.Context(), d.Name)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := fleet.AdminKey(d.Name)
	ws := dial(t, url, key)
	if err := ws.hear(url); err != nil {
		t.Fatal(err)
	}
	if err := s.Platform().DeleteDeployment(t.Context(), d.Name); err != nil {
		t.Fatal(err)
	}
	if err := ws.hear("nothing"); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("the socket ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "deployments", d.Name)); !os.IsNotExist(err) {
		t.Errorf("its data is there: %v", err)
	}
	if _, err := fleet.Open(t.Context(), d.Name); err == nil {
		t.Error("it can be opened")
	}
}

func TestFleetKnowsDeployKeysUntilTheyAreRevoked(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	a := s.Addresses()
	p := s.Platform()
	d, other := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true}), create(t, s, platform.NewDeployment{Kind: platform.Dev})
	owner, err := p.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, key, err := p.CreateCredential(t.Context(), platform.NewCredential{Kind: platform.DeployKey, Name: "CI", Operator: owner.ID, Deployment: d.Name})
	if err != nil {
		t.Fatal(err)
	}
	url, _, err := p.Fleet.Addresses(t.Context(), d.Name)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _, err := p.Fleet.Addresses(t.Context(), other.Name)
	if err != nil {
		t.Fatal(err)
	}
	with := map[string]string{"Authorization": "Convex " + key}
	ask := func(url string) int {
		status, _ := fetch(t, "GET", url+"/api/v1/list_environment_variables", "", with)
		return status
	}
	if got := []int{ask(url), ask(elsewhere), ask(a.URL)}; !slices.Equal(got, []int{200, 401, 401}) {
		t.Errorf("at its deployment, another and home: %v", got)
	}
	ws, derived := dial(t, url, key), dial(t, url, strings.TrimPrefix(admin(t, s, d.Name)["Authorization"], "Convex "))
	for _, one := range []*socket{ws, derived} {
		if err := one.hear(url); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.RevokeCredential(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got := ask(url); got != 401 {
		t.Errorf("revoked: %d", got)
	}
	if err := ws.hear("nothing"); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("the key's socket ended with %v", err)
	}
	derived.say(`{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[{"type":"Add","queryId":1,"udfPath":"_system/cli/convexUrl:siteUrl","args":[{}]}]}`)
	if err := derived.hear(`"queryId":1`); err != nil {
		t.Errorf("the other socket: %v", err)
	}
}

func TestFleetLivesWithABrokenStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(c *server.Config) { c.Data = dir }
	s, stop := start(t, in)
	d := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	url, _, err := s.Platform().Fleet.Addresses(t.Context(), d.Name)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := fetch(t, "GET", url+"/version", "", nil); status != 200 {
		t.Fatal(status)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "deployments", d.Name, "store", "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("not a manifest"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = start(t, in)
	if url, _, err = s.Platform().Fleet.Addresses(t.Context(), d.Name); err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, "GET", url+"/version", "", map[string]string{"Origin": "http://app.test"})
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "DeploymentUnavailable") || !strings.Contains(body, d.Name) || strings.Contains(body, string(os.PathSeparator)+"store") {
		t.Errorf("%d %s", status, body)
	}
	a := s.Addresses()
	_, body = fetch(t, "GET", a.URL+"/_lentil/status", "", map[string]string{"Authorization": "Convex " + a.AdminKey})
	var st server.Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(st.Problems, func(p string) bool { return strings.Contains(p, d.Name) }) {
		t.Errorf("problems = %q", st.Problems)
	}
	if status, _ := fetch(t, "GET", a.URL+"/version", "", nil); status != 200 {
		t.Errorf("home: %d", status)
	}
}

// TestFleetOfFifty has fifty deployments on the disk, opened and closed all the time
// while they are used, each with what is its own.
func TestFleetOfFifty(t *testing.T) {
	t.Parallel()
	const n = 50
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.DeploymentIdle = dir, 5*time.Millisecond })
	fleet := s.Platform().Fleet
	type place struct{ name, url, key string }
	places := make([]place, n)
	for i := range places {
		d := create(t, s, platform.NewDeployment{Kind: platform.Preview})
		url, _, err := fleet.Addresses(t.Context(), d.Name)
		if err != nil {
			t.Fatal(err)
		}
		key, err := fleet.AdminKey(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		places[i] = place{d.Name, url, key}
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < 3*n; i += 4 {
				own, other := places[i%n], places[(i+1)%n]
				head := map[string]string{"Authorization": "Convex " + own.key}
				set := fmt.Sprintf(`{"changes":[{"name":"OWN","value":%q}]}`, own.name)
				if status, body := fetch(t, "POST", own.url+"/api/v1/update_environment_variables", set, head); status != 200 {
					t.Errorf("%s: set: %d %s", own.name, status, body)
				}
				if status, body := fetch(t, "GET", own.url+"/api/v1/list_environment_variables", "", head); status != 200 || !strings.Contains(body, own.name) || strings.Contains(body, other.name) {
					t.Errorf("%s: read: %d %s", own.name, status, body)
				}
				if status, _ := fetch(t, "GET", other.url+"/api/v1/list_environment_variables", "", head); status != 401 {
					t.Errorf("%s's key at %s: %d", own.name, other.name, status)
				}
				if i%7 == 0 {
					ws := dial(t, own.url, own.key)
					if err := ws.hear(own.url); err != nil {
						t.Errorf("%s: socket: %v", own.name, err)
					}
					ws.conn.CloseNow()
				}
			}
		})
	}
	wg.Wait()
	await(t, "all are closed", func() bool { return len(s.OpenDeployments()) == 1 })
}

// TestFleetDeletesUnderRequests deletes a deployment while one of its requests waits
// for something that does not come.
func TestFleetDeletesUnderRequests(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	head := admin(t, s, d.Name)
	if status, body := fetch(t, "GET", s.Addresses().URL+"/instance_name", "", map[string]string{"Host": d.Name + ".localhost"}); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	ended := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.Addresses().URL+"/api/app_metrics/stream_function_logs?cursor=1e15", nil)
		if err == nil {
			req.Host = d.Name + ".localhost"
			req.Header.Set("Authorization", head["Authorization"])
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				err = res.Body.Close()
			}
		}
		ended <- err
	}()
	await(t, "the request is under way", func() bool {
		for _, one := range s.Status().Deployments {
			if one.Name == d.Name {
				return one.Requests > 0
			}
		}
		return false
	})
	if err := s.Platform().DeleteDeployment(t.Context(), d.Name); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the request goes on")
	}
}

func TestFleetDeletesWhatExpiredOrWasBeingDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(c *server.Config) { c.Data = dir }
	s, stop := start(t, in)
	expired := create(t, s, platform.NewDeployment{Kind: platform.Preview, Expires: time.Now().Add(time.Millisecond)})
	half := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	soon := create(t, s, platform.NewDeployment{Kind: platform.Preview, Expires: time.Now().Add(time.Hour)})
	for _, d := range []*platform.Deployment{expired, half, soon} {
		within(t, s, d.Name, func(context.Context, *database.DB) {})
	}
	if p := s.Status().Problems; !slices.ContainsFunc(p, func(text string) bool { return strings.Contains(text, soon.Name+" expires at") }) {
		t.Errorf("problems = %q", p)
	}
	// What a crash in the middle of a deletion leaves.
	if err := s.Platform().ChangeDeployment(t.Context(), half.Name, func(d *platform.Deployment) { d.Deleting = true }); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// By a clock that may be wrong nothing has expired yet; what was begun is ended.
	var told told
	s, run := opened(t, func(c *server.Config) { in(c); c.Log = slog.New(&told) })
	s.ClockLeaps()
	stop = run()
	await(t, "it is told", func() bool { return told.has("expired deployment is not deleted yet") })
	await(t, "a deletion is ended", func() bool {
		_, err := s.Platform().Deployment(t.Context(), half.Name)
		return err != nil
	})
	if _, err := s.Platform().Deployment(t.Context(), expired.Name); err != nil {
		t.Errorf("the expired one: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, in)
	for _, d := range []*platform.Deployment{expired, half} {
		await(t, d.Name+" is gone", func() bool {
			_, err := s.Platform().Deployment(t.Context(), d.Name)
			_, there := os.Stat(filepath.Join(dir, "deployments", d.Name))
			return err != nil && os.IsNotExist(there)
		})
	}
	if _, err := s.Platform().Deployment(t.Context(), soon.Name); err != nil {
		t.Errorf("the one whose time is not over: %v", err)
	}
	await(t, "no row is left", func() bool {
		names, err := s.Platform().Deleting(t.Context())
		return err == nil && len(names) == 0
	})
}

// TestFleetMakesNoBerthForWhatIsGone has a row read before the deployment was deleted, as
// a request does that comes at the wrong moment.
func TestFleetMakesNoBerthForWhatIsGone(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	d := create(t, s, platform.NewDeployment{Kind: platform.Preview})
	if err := s.Platform().DeleteDeployment(t.Context(), d.Name); err != nil {
		t.Fatal(err)
	}
	if err := s.Moor(t.Context(), d); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("a berth was made: %v", err)
	}
	if slices.ContainsFunc(s.Status().Deployments, func(one server.DeploymentStatus) bool { return one.Name == d.Name }) {
		t.Error("status tells of it")
	}
}

// TestFleetKeepsJobsInMindWhenOpeningFails: a request that meets a full disk must not
// make the house forget what is due there.
func TestFleetKeepsJobsInMindWhenOpeningFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.DeploymentIdle = dir, 50*time.Millisecond })
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	schedule(t, s, d.Name, time.Hour)
	await(t, "closed before its job", func() bool { return !isOpen(s, d.Name) })
	store := filepath.Join(dir, "deployments", d.Name, "store")
	if err := os.Rename(store, store+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Platform().Fleet.Open(t.Context(), d.Name); err == nil {
		t.Fatal("it opens without a store")
	}
	for _, one := range s.Status().Deployments {
		if one.Name == d.Name && (one.State != "unavailable" || one.NextJob == nil) {
			t.Errorf("%+v: its job is forgotten", one)
		}
	}
}

// TestFleetComesBackToWhatFailed: whether it has jobs is not known then, and nobody else
// may ever ask for it.
func TestFleetComesBackToWhatFailed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data = dir })
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	within(t, s, d.Name, func(context.Context, *database.DB) {})
	s.Fail(d.Name)
	await(t, "it is closed, and will be opened again", func() bool {
		i := slices.IndexFunc(s.Status().Deployments, func(one server.DeploymentStatus) bool { return one.Name == d.Name })
		one := s.Status().Deployments[i]
		return one.State == "unavailable" && one.NextJob != nil
	})
}

// TestFleetRunsWhatIsOpenedWhileItStarts: the listeners of a house that starts answer
// while its fleet begins to run.
func TestFleetRunsWhatIsOpenedWhileItStarts(t *testing.T) {
	t.Parallel()
	s, run := opened(t, nil)
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	if err := s.OpenAround(t.Context(), d.Name, func() {
		run()
		await(t, "the fleet runs", s.FleetRuns)
	}); err != nil {
		t.Fatal(err)
	}
	id := schedule(t, s, d.Name, 0)
	await(t, "job has run", func() bool { return jobState(t, s, d.Name, id) == scheduler.Failed })
}
