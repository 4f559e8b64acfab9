package sideprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// childFlag makes the test binary play the child.
const childFlag = "-side-process-child"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		if err := Serve(play); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// play is what the child can do.
func play(request []byte) []byte {
	switch s := string(request); s {
	case "pid":
		return strconv.AppendInt(nil, int64(os.Getpid()), 10)
	case "environment":
		return []byte(strings.Join(os.Environ(), " "))
	case "priority":
		b, _ := os.ReadFile("/proc/self/stat")
		_, rest, _ := strings.Cut(string(b), ") ")
		return []byte(strings.Fields(rest)[16]) // nice, the 19th field of proc(5)
	case "die":
		os.Exit(3)
	case "hang":
		io.Copy(io.Discard, os.Stdin) // until it is ended
	default:
		if mark, ok := strings.CutPrefix(s, "die once "); ok && os.Mkdir(mark, 0o700) == nil {
			os.Exit(3)
		}
		return append(request, " answered"...)
	}
	return nil
}

func newPool(t *testing.T, workers int) *Pool {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Pool{Command: []string{path, childFlag}, Workers: workers}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPoolAnswersManyAtOnceWithFewChildren(t *testing.T) {
	p := newPool(t, 2)
	var wg sync.WaitGroup
	pids := sync.Map{}
	for i := range 40 {
		wg.Go(func() {
			got, err := p.Call(t.Context(), fmt.Append(nil, "request ", i))
			if want := fmt.Sprintf("request %d answered", i); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
			pid, err := p.Call(t.Context(), []byte("pid"))
			if err != nil {
				t.Error(err)
			}
			pids.Store(string(pid), true)
		})
	}
	wg.Wait()
	n := 0
	pids.Range(func(any, any) bool { n++; return true })
	if n < 1 || n > 2 {
		t.Errorf("%d children answered, want one or two", n)
	}
}

func TestPoolReplacesAChildThatDied(t *testing.T) {
	p := newPool(t, 1)
	if _, err := p.Call(t.Context(), []byte("die")); err == nil {
		t.Error("a request that kills its child has an answer")
	}
	before, err := p.Call(t.Context(), []byte("pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(string(before))
	proc, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := proc.Kill(); err != nil {
		t.Fatal(err)
	}
	after, err := p.Call(t.Context(), []byte("pid"))
	if err != nil || string(after) == string(before) {
		t.Errorf("after the child was killed: %q (before %q), %v", after, before, err)
	}
}

// TestPoolReplacesChildrenThatDiedTogether, as by a system without memory.
func TestPoolReplacesChildrenThatDiedTogether(t *testing.T) {
	p := newPool(t, 2)
	var both [2]*child
	p.once.Do(p.open)
	for i := range both {
		c, err := p.take(true)
		if err != nil {
			t.Fatal(err)
		}
		if both[i] = c; c.cmd.Process.Kill() != nil {
			t.Fatal("it cannot be killed")
		}
	}
	for _, c := range both {
		p.give(c)
	}
	if got, err := p.Call(t.Context(), []byte("next")); err != nil || string(got) != "next answered" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPoolReplacesAChildThatDiedAtItsFirstAnswer(t *testing.T) {
	request := "die once " + filepath.Join(t.TempDir(), "mark")
	got, err := newPool(t, 1).Call(t.Context(), []byte(request))
	if err != nil || string(got) != request+" answered" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPoolGivesUpWithItsCaller(t *testing.T) {
	p := newPool(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Call(ctx, []byte("hang")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if got, err := p.Call(t.Context(), []byte("next")); err != nil || string(got) != "next answered" {
		t.Errorf("after a call that was given up: %q, %v", got, err)
	}
}

func TestChildStepsBackAndKnowsNothing(t *testing.T) {
	t.Setenv("WORKOS_API_KEY", "sk_test_secret")
	p := newPool(t, 1)
	got, err := p.Call(t.Context(), []byte("environment"))
	if err != nil || strings.Contains(string(got), "sk_test") {
		t.Errorf("environment of the child: %q, %v", got, err)
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return // the priority is only looked at where it can be
	}
	if got, err := p.Call(t.Context(), []byte("priority")); err != nil || string(got) != strconv.Itoa(niceness) {
		t.Errorf("priority %q, %v", got, err)
	}
}

func TestPoolClosedAndBadPrograms(t *testing.T) {
	p := newPool(t, 1)
	p.Close()
	if _, err := p.Call(t.Context(), []byte("x")); !errors.Is(err, errClosed) {
		t.Errorf("closed pool: %v", err)
	}
	bad := &Pool{Command: []string{"/no/such/program"}}
	if _, err := bad.Call(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("no program: %v", err)
	}
	if _, err := bad.Call(t.Context(), make([]byte, maxFrame+1)); err == nil {
		t.Error("a huge request is taken")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'x'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readFrame(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, got); err != nil || !bytes.HasPrefix(b, out.Bytes()) {
			t.Errorf("%x read as %x", b, got)
		}
		if err := serve(bytes.NewReader(b), io.Discard, func(b []byte) []byte { return b }); err == nil && len(b) == 3 {
			t.Error("half a frame is taken")
		}
	})
}
