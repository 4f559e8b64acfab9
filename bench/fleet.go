package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// fleetSizes are the numbers of further deployments that are measured.
var fleetSizes = []int{1, 10, 100}

// benchFleet makes deployments beside the home one: what it takes to make one and to
// get its first answer, what one takes of the memory open and closed, and how soon a
// closed one answers again.
func benchFleet(ctx context.Context, b *bench) error {
	dir, err := b.scratch()
	if err != nil {
		return err
	}
	const idle = 3 * time.Second
	h, err := b.start(ctx, dir, "--deployment-idle", idle.String())
	if err != nil {
		return err
	}
	b.house = h
	if err := b.push(ctx); err != nil {
		return err
	}
	var all []server.DeploymentInfo
	before, err := residentKB(h.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, size := range fleetSizes {
		var make, ask spread
		for len(all) < size {
			began := time.Now()
			d, err := h.makeDeployment(ctx)
			if err != nil {
				return err
			}
			make = append(make, time.Since(began))
			began = time.Now()
			if err := h.askDeployment(ctx, d); err != nil {
				return err
			}
			ask = append(ask, time.Since(began))
			all = append(all, *d)
		}
		b.report(fmt.Sprintf("%d deployments: to make one and open it", size), "%v", make)
		b.report(fmt.Sprintf("%d deployments: its first answer", size), "%v", ask)
		open := 0
		for i := range all {
			if err := h.askDeployment(ctx, &all[i]); err != nil {
				return err
			}
			open++
		}
		opened, err := residentKB(h.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if err := h.awaitClosed(ctx, idle); err != nil {
			return err
		}
		closed, err := residentKB(h.cmd.Process.Pid)
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("%d deployments: resident memory before, open, closed", size), "%d MB, %d MB, %d MB (open: %d KB each)",
			before/1024, opened/1024, closed/1024, (opened-before)/open)
		var again spread
		for i := range all {
			began := time.Now()
			if err := h.askDeployment(ctx, &all[i]); err != nil {
				return err
			}
			again = append(again, time.Since(began))
		}
		b.report(fmt.Sprintf("%d deployments: the answer of a closed one", size), "%v", again)
	}
	// One with functions: closed, it loads its program again.
	last := &all[len(all)-1]
	push := exec.CommandContext(ctx, "node", filepath.Join("node_modules", "convex", "bin", "main.js"), "dev", "--once", "--typecheck", "disable")
	push.Dir = h.dir
	key, err := h.deployKey(ctx, last.Name)
	if err != nil {
		return err
	}
	push.Env = append(os.Environ(), "CI=1", "CONVEX_SELF_HOSTED_URL="+last.URL, "CONVEX_SELF_HOSTED_ADMIN_KEY="+key)
	if out, err := push.CombinedOutput(); err != nil {
		return fmt.Errorf("push to %s: %w\n%s", last.Name, err, out)
	}
	var again spread
	for range 3 {
		if err := h.awaitClosed(ctx, idle); err != nil {
			return err
		}
		began := time.Now()
		if err := newCaller(last.URL, 1).query(ctx, "bench:list", map[string]any{"channel": "none"}); err != nil {
			return err
		}
		again = append(again, time.Since(began))
	}
	b.report("a query of a closed deployment", "%v", again)
	return nil
}

// control asks the house about its deployments, as its owner.
func (h *house) control(ctx context.Context, method, path string, body, into any) error {
	token, err := server.HouseToken(filepath.Join(h.dir, ".lentil"), nil)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, h.info.ControlURL+server.DeploymentsPath+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// makeDeployment makes a preview.
func (h *house) makeDeployment(ctx context.Context) (*server.DeploymentInfo, error) {
	var d server.DeploymentInfo
	return &d, h.control(ctx, http.MethodPost, "", server.CreateDeploymentRequest{Kind: "preview"}, &d)
}

// deployKey makes a deploy key.
func (h *house) deployKey(ctx context.Context, name string) (string, error) {
	var k server.CreatedKey
	err := h.control(ctx, http.MethodPost, "/"+name+"/keys", nil, &k)
	return k.Key, err
}

// askDeployment asks a deployment for its name.
func (h *house) askDeployment(ctx context.Context, d *server.DeploymentInfo) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+"/instance_name", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// awaitClosed waits until nothing but the home deployment is open.
func (h *house) awaitClosed(ctx context.Context, idle time.Duration) error {
	tick := time.NewTicker(idle / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var list []server.DeploymentInfo
		if err := h.control(ctx, http.MethodGet, "", nil, &list); err != nil {
			return err
		}
		open := 0
		for _, d := range list {
			if !d.Home && d.State == "open" {
				open++
			}
		}
		if open == 0 {
			return nil
		}
	}
}
