package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// socket is one bound listener of the house; behind it may be two sockets, one
// for each loopback address.
type socket struct {
	purpose   string
	number    int
	listeners []net.Listener
}

// port is the number of the port, 0 without a socket.
func (s *socket) port() int {
	if s == nil {
		return 0
	}
	return s.number
}

// near is the address at which programs of this machine reach it.
func (s *socket) near() string {
	addr := *s.listeners[0].Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		addr.IP = net.IPv4(127, 0, 0, 1)
	}
	return addr.String()
}

// close releases the port.
func (s *socket) close() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// portStep is how far apart tried ports are, so that a second house's ports
// keep the last digits that people know (3220, 3221, 4110).
const portStep = 10

// portTries bounds the search for a free port.
const portTries = 20

// badPort is in the block list of the fetch standard: no browser talks to it.
// https://fetch.spec.whatwg.org/#port-blocking (the only ones near our defaults).
func badPort(n int) bool { return n == 4045 || n == 4190 || n == 5060 || n == 5061 || n == 6000 }

// bindNear binds the wished-for port. Unless the wish is fixed, ports that are
// taken are passed over: first comes preferred (where this house answered last
// time), then the default and its successors.
func bindNear(ctx context.Context, host, purpose string, wish Port, preferred, fallback int, notice func(string, ...any)) (*socket, error) {
	if wish.Fixed {
		return bind(ctx, host, purpose, wish.Number)
	}
	tries := []int{}
	if wish.Number != 0 {
		fallback = wish.Number
	} else if preferred != 0 {
		tries = append(tries, preferred)
	}
	for i := range portTries {
		if n := fallback + i*portStep; n != preferred && n <= 65535 && !badPort(n) {
			tries = append(tries, n)
		}
	}
	for _, n := range tries {
		s, err := bind(ctx, host, purpose, n)
		if err == nil {
			if n != tries[0] {
				notice("port %d is taken; %s answers on %d", tries[0], purpose, n)
			}
			return s, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no free port for %s: %d and the %d after it are all in use", purpose, fallback, len(tries)-1)
}

// bind binds one port on host. On the loopback address it binds ::1 too where
// the machine has it, because "localhost" may mean either.
func bind(ctx context.Context, host, purpose string, number int) (*socket, error) {
	for try := 0; ; try++ {
		s, err := bindBoth(ctx, host, purpose, number)
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, syscall.EADDRINUSE) && number == 0 && try < portTries:
			continue // any port that both addresses have free will do
		case errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("port %d, for %s, is in use by another program: %w", number, purpose, err)
		case errors.Is(err, syscall.EACCES):
			return nil, fmt.Errorf("port %d, for %s, needs more rights than this user has: %w", number, purpose, err)
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			return nil, fmt.Errorf("this machine has no address %s to listen on: %w", host, err)
		default:
			return nil, fmt.Errorf("listen for %s: %w", purpose, err)
		}
	}
}

// bindBoth binds number on host and, for the loopback address, on ::1.
func bindBoth(ctx context.Context, host, purpose string, number int) (*socket, error) {
	var lc net.ListenConfig
	loopback := host == "localhost" || host == "127.0.0.1"
	if loopback {
		host = "127.0.0.1"
	}
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(number)))
	if err != nil {
		return nil, err
	}
	s := &socket{purpose: purpose, number: l.Addr().(*net.TCPAddr).Port, listeners: []net.Listener{l}}
	if !loopback {
		return s, nil
	}
	six, err := lc.Listen(ctx, "tcp", net.JoinHostPort("::1", strconv.Itoa(s.number)))
	switch {
	case err == nil:
		s.listeners = append(s.listeners, six)
	case errors.Is(err, syscall.EADDRINUSE):
		l.Close()
		return nil, err
	}
	return s, nil // a machine without IPv6 does without
}
