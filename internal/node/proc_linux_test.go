package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lentil-dev/lentil/internal/isolate"
)

func TestEnvironmentIsTheDeployments(t *testing.T) {
	t.Setenv("HOUSE_SECRET", "never to be seen")
	p := load(t, open(t, Options{}), module("act.js", ordinary))
	want(t, p, "act:env", "{}", `{"TZ":"UTC","GREETING":"hello","SECRET":"s3cret"}`, nil)
	if v := try(t, p, "act:environ", "{}", nil).Value; strings.Contains(v, "SECRET") || strings.Contains(v, "s3cret") {
		t.Errorf("/proc/self/environ holds %s", v)
	}
	for _, link := range strings.Split(strings.Trim(try(t, p, "act:fds", "{}", nil).Value, `[]"`), `","`) {
		switch {
		case strings.HasPrefix(link, "pipe:"), strings.HasPrefix(link, "anon_inode:"), link == "", link == "/dev/null", strings.HasPrefix(link, "/proc/"),
			strings.HasPrefix(link, "socket:"): // Node.js's own
		default:
			t.Errorf("a process has %s open", link)
		}
	}
}

// TestDescendantsEnd looks for what actions started after their process has gone.
func TestDescendantsEnd(t *testing.T) {
	if namespaces() == 0 {
		t.Log("this system permits no process namespace: detached grandchildren may survive")
	}
	pool := open(t, Options{})
	p := load(t, pool, module("act.js", hostile))
	fails(t, p, "act:sleepers", "The action's Node.js process was ended: it started more than 64 processes.", isolate.Fatal)
	if try(t, p, "act:orphan", "{}", nil).Exception != nil {
		t.Fatal("orphan failed")
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if left := sleepers(); left != "" && namespaces() != 0 {
		t.Errorf("still running: %s", left)
	}
}

// sleepers lists processes that these tests' actions started; nobody else sleeps for as
// odd a time.
func sleepers() string {
	var left []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, _ := os.ReadFile(f); strings.Contains(string(b), "sleep\x00300.0417") {
			left = append(left, f)
		}
	}
	return strings.Join(left, " ")
}

// TestEndsWithHouse kills a house without warning and looks for its processes.
func TestEndsWithHouse(t *testing.T) {
	if os.Getenv("LENTIL_TEST_HOUSE") != "" {
		p := load(t, open(t, Options{}), module("act.js", hostile))
		go p.Run(t.Context(), isolate.Call{Module: "act.js", Export: "spin", Method: "invokeAction", Args: []string{"", "[]"}, Host: &host{}})
		until(t, "the spinning action", func() bool { return p.pool.Stats().Running > 0 })
		want(t, p, "act:bump", "{}", "1", nil)
		p.pool.mu.Lock()
		for pr := range p.pool.alive {
			os.Stdout.WriteString("pid " + strconv.Itoa(pr.cmd.Process.Pid) + "\n")
		}
		p.pool.mu.Unlock()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestEndsWithHouse$")
	cmd.Env = append(os.Environ(), "LENTIL_TEST_HOUSE=1")
	out, _ := cmd.Output() // it is killed
	pids := strings.Fields(strings.ReplaceAll(string(out), "pid ", ""))
	if len(pids) < 2 {
		t.Fatalf("the house said %q", out)
	}
	for _, s := range pids {
		if pid, err := strconv.Atoi(s); err == nil {
			until(t, "the end of process "+s, func() bool { return syscall.Kill(pid, 0) != nil || zombie(s) })
		}
	}
}

// zombie tells whether a process has ended and only waits to be noticed.
func zombie(pid string) bool {
	b, _ := os.ReadFile("/proc/" + pid + "/stat")
	return strings.Contains(string(b), ") Z ")
}
