package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// taken binds a port that stays in use for the test.
func taken(t *testing.T) int {
	t.Helper()
	s, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s.number
}

// unused is a port that nobody has, and that the system gives to nobody who takes any
// (Linux: those from 32768).
func unused(t *testing.T) int {
	t.Helper()
	for {
		s, err := bind(t.Context(), "127.0.0.1", "a test", 22000+rand.IntN(10_000))
		if err == nil {
			s.close()
			return s.number
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

func TestBindNearPassesOverTakenPorts(t *testing.T) {
	t.Parallel()
	busy := taken(t)
	var notes []string
	notice := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	s, err := bindNear(t.Context(), "127.0.0.1", "sign-in", Port{}, 0, busy, notice)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if (s.number-busy)%portStep != 0 || s.number <= busy {
		t.Errorf("got port %d after %d", s.number, busy)
	}
	if want := fmt.Sprintf("port %d is taken; sign-in answers on %d", busy, s.number); len(notes) != 1 || notes[0] != want {
		t.Errorf("notices = %q", notes)
	}
	again, err := bindNear(t.Context(), "127.0.0.1", "sign-in", Port{}, s.number, busy, notice)
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

func TestBindNearPrefersTheLastPort(t *testing.T) {
	t.Parallel()
	last := unused(t)
	s, err := bindNear(t.Context(), "127.0.0.1", "sign-in", Port{}, last, taken(t), func(f string, a ...any) { t.Errorf(f, a...) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.number != last {
		t.Errorf("port %d, not the last one, %d", s.number, last)
	}
}

func TestBindNearRefusesATakenPortThatWasNamed(t *testing.T) {
	t.Parallel()
	busy := taken(t)
	_, err := bindNear(t.Context(), "127.0.0.1", "sign-in", Port{Number: busy, Fixed: true}, 0, 0, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d, for sign-in, is in use by another program", busy)) {
		t.Errorf("err = %v", err)
	}
}

func TestBindAnswersOnBothLoopbackAddresses(t *testing.T) {
	t.Parallel()
	s, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, host := range []string{"127.0.0.1", "::1"} {
		if host == "::1" && len(s.listeners) == 1 {
			t.Log("this machine has no IPv6")
			continue
		}
		c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(s.number)))
		if err != nil {
			t.Error(err)
			continue
		}
		c.Close()
	}
}

func TestDefaultPortsAreNotBlockedByBrowsers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{DefaultPort, DefaultSitePort, DefaultAuthKitPort, DefaultControlPort} {
		if badPort(n) {
			t.Errorf("browsers do not talk to port %d", n)
		}
	}
}
