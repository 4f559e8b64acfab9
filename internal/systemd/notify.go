package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Manager is who started us; the zero value is nobody.
type Manager struct {
	address string
	beat    time.Duration
}

// Find looks for the manager in the environment.
func Find(getenv func(string) string) Manager {
	m := Manager{address: getenv("NOTIFY_SOCKET")}
	if !strings.HasPrefix(m.address, "/") && !strings.HasPrefix(m.address, "@") {
		m.address = ""
	}
	// A pid is named where the watched process need not be the notified one.
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 && m.address != "" {
			m.beat = time.Duration(us) * time.Microsecond / 2 // as sd_watchdog_enabled(3) recommends
		}
	}
	return m
}

// Found says whether there is one.
func (m Manager) Found() bool { return m.address != "" }

// Ready says that the house answers.
func (m Manager) Ready(status string) { m.send("READY=1\nSTATUS=" + line(status)) }

// Reloading says that files are read again; Ready ends that.
func (m Manager) Reloading() {
	m.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic(), 10))
}

// Stopping says that the house takes leave.
func (m Manager) Stopping(status string) { m.send("STOPPING=1\nSTATUS=" + line(status)) }

// Extend asks for more time to stop than the unit allows.
func (m Manager) Extend(d time.Duration) {
	m.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Watch says that the house is alive, as often as the manager wants to hear it,
// while alive agrees, until ctx ends. A house that hangs is then started anew.
func (m Manager) Watch(ctx context.Context, alive func(context.Context) error) {
	if m.beat == 0 {
		return
	}
	tick := time.NewTicker(m.beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, cancel := context.WithTimeout(ctx, m.beat)
		err := alive(asked)
		cancel()
		if err == nil {
			m.send("WATCHDOG=1")
		} else if ctx.Err() == nil {
			m.send("STATUS=" + line("not alive: "+err.Error()))
		}
	}
}

// line makes a text one line of the protocol.
func line(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// sendTime bounds a message: a manager that does not listen must not hold us up.
const sendTime = time.Second

// send tells the manager. That it does not hear is its own trouble.
func (m Manager) send(text string) {
	if m.address == "" {
		return
	}
	name := m.address
	if name[0] == '@' {
		name = "\x00" + name[1:] // the abstract name space of Linux
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(sendTime))
	_, _ = c.Write([]byte(text))
}
