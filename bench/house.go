package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// house is a running lentil with its scratch project.
type house struct {
	dir  string
	cmd  *exec.Cmd
	log  bytes.Buffer
	info struct {
		URL        string `json:"url"`
		AuthKitURL string `json:"authkitUrl"`
		ControlURL string `json:"controlUrl"`
		AdminKey   string `json:"adminKey"`
		ClientID   string `json:"clientId"`
		APIKey     string `json:"apiKey"`
	}
	ready time.Duration // from start of the process to its line of JSON
}

// scratch makes a project folder with the functions of bench/app; its packages
// are those of the conformance tests.
func (b *bench) scratch() (string, error) {
	dir, err := os.MkdirTemp("", "lentil-bench-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(b.root, "bench", "app"))); err != nil {
		return "", err
	}
	modules, err := filepath.Abs(filepath.Join(b.root, "conformance", "node_modules"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(modules, "convex")); err != nil {
		return "", errors.New("the official CLI is missing: run npm ci in conformance/")
	}
	return dir, os.Symlink(modules, filepath.Join(dir, "node_modules"))
}

// start runs the binary on a project until it is ready.
func (b *bench) start(ctx context.Context, dir string, flags ...string) (*house, error) {
	h := &house{dir: dir}
	args := append([]string{"dev", dir, "--json", "--port", "0", "--site-port", "0", "--authkit-port", "0", "--control-port", "0"}, flags...)
	h.cmd = exec.CommandContext(ctx, b.binary, args...)
	h.cmd.Cancel = func() error { return h.cmd.Process.Signal(syscall.SIGTERM) }
	h.cmd.Stderr = &h.log
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	h.ready = time.Since(began)
	if err != nil {
		h.cmd.Wait()
		return nil, fmt.Errorf("lentil did not get ready: %s", h.log.String())
	}
	return h, json.Unmarshal(line, &h.info)
}

// open starts the scenario's house and pushes the functions with the official CLI.
func (b *bench) open(ctx context.Context) (*house, error) {
	dir, err := b.scratch()
	if err != nil {
		return nil, err
	}
	if b.house, err = b.start(ctx, dir); err != nil {
		return nil, err
	}
	return b.house, b.push(ctx)
}

// push pushes the functions and the schema of the house's folder.
func (b *bench) push(ctx context.Context) error {
	push := exec.CommandContext(ctx, "node", filepath.Join("node_modules", "convex", "bin", "main.js"), "dev", "--once", "--typecheck", "disable")
	push.Dir = b.house.dir
	push.Env = append(os.Environ(), "CI=1")
	if out, err := push.CombinedOutput(); err != nil {
		return fmt.Errorf("push: %w\n%s", err, out)
	}
	return nil
}

// stop ends the house and removes its folder.
func (h *house) stop() {
	if h == nil {
		return
	}
	h.end()
	os.RemoveAll(h.dir)
}

// end ends the process and keeps the folder.
func (h *house) end() {
	h.cmd.Process.Signal(syscall.SIGTERM)
	h.cmd.Wait()
}
