package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstFD is the number of the first descriptor that is handed over.
const firstFD = 3

// maxFDs bounds what is believed of LISTEN_FDS.
const maxFDs = 64

// Sockets are the listening TCP sockets that the manager handed over; none where it
// did not. They must be asked for once.
func Sockets(getenv func(string) string) ([]net.Listener, error) {
	if pid := getenv("LISTEN_PID"); pid == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // meant for a parent of ours
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxFDs {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of sockets", getenv("LISTEN_FDS"))
	}
	var all []net.Listener
	for fd := firstFD; fd < firstFD+n; fd++ {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
		if f == nil {
			return nil, fmt.Errorf("the manager handed over %d sockets, but there is no descriptor %d", n, fd)
		}
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("descriptor %d, from the manager, is no listening socket: %w", fd, err)
		}
		if _, ok := l.Addr().(*net.TCPAddr); !ok {
			return nil, fmt.Errorf("descriptor %d, from the manager, listens on %s, not on a TCP port", fd, l.Addr())
		}
		all = append(all, l)
	}
	return all, nil
}

// monotonic is the clock that the manager compares with, in microseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() / 1000
}
