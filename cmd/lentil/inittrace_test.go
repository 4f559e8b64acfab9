package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// maxInit is how many bytes a room may allocate before main begins. Every command pays
// for it, also those that only print a version: compile patterns and parse templates
// when they are first needed.
const maxInit = 24 << 10

func TestRoomsStartLight(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.list", "^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
	rooms := 0
	for lines := bufio.NewScanner(&trace); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[0] != "init" || !strings.Contains(f[1], "/lentil/internal/") {
			continue
		}
		bytes, err := strconv.Atoi(f[7])
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		rooms++
		if bytes > maxInit {
			t.Errorf("%s allocates %d bytes before main begins, %d are allowed", f[1], bytes, maxInit)
		}
	}
	if rooms < 20 {
		t.Errorf("%d rooms found: the trace is read wrongly", rooms)
	}
}
