package server

import (
	"fmt"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/certificate"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
)

// Gauge is how much of something is in use, and how much may be.
type Gauge struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit,omitempty"` // 0: none
}

// Status is how a running house stands against its limits.
type Status struct {
	Version       string `json:"version"`
	Deployment    string `json:"deployment"`
	UptimeSeconds int64  `json:"uptimeSeconds"`

	Connections   Gauge `json:"connections"` // of HTTP, without sockets
	Sockets       Gauge `json:"sockets"`     // of the sync protocol
	Requests      Gauge `json:"requests"`
	Refused       int64 `json:"refused"` // connections, sockets and requests that were too many
	Subscriptions Gauge `json:"subscriptions"`
	Workers       Gauge `json:"workers"` // functions that run JavaScript
	Queue         Gauge `json:"queue"`   // functions that wait for a worker
	WriteLog      Gauge `json:"writeLog"`
	Files         Gauge `json:"files"` // open files of the process
	// ParkedThreads were lost to fatal errors of the JavaScript engine.
	ParkedThreads Gauge `json:"parkedThreads"`

	MemoryBytes      int64   `json:"memoryBytes"` // resident
	HeapBytes        int64   `json:"heapBytes"`   // of Go alone
	StoreBytes       int64   `json:"storeBytes"`  // on disk: the deployment's documents
	HouseBytes       int64   `json:"houseBytes"`  // on disk: identity and control
	DiskFreeBytes    int64   `json:"diskFreeBytes"`
	RetentionSeconds float64 `json:"retentionSeconds"`
	// HistorySeconds is how far back snapshots can be read now.
	HistorySeconds float64 `json:"historySeconds"`

	// Deployments are those beside the home one; nobody but its admins sees them.
	Deployments []DeploymentStatus `json:"deployments,omitempty"`
	// Backup is how the backup stands; nil if none is made all the time.
	Backup       *archive.State      `json:"backup,omitempty"`
	Listeners    []Listener          `json:"listeners,omitempty"`
	Certificates []certificate.State `json:"certificates,omitempty"`

	Problems []string `json:"problems"` // what a person should do something about; never null
}

// maxParked is the number of lost threads above which a restart is advised.
// Each keeps its stack and what its isolate had allocated.
const maxParked = 8

// Below lowDisk free bytes a full disk is near; the store needs room to compact.
const lowDisk = 512 << 20

// Status takes the picture.
func (s *Server) Status() Status {
	st := s.status(s.home)
	st.Deployments = s.fleet.status(&st)
	st.Listeners = s.told()
	if s.keeper != nil {
		st.Certificates = s.keeper.States()
		st.Problems = append(st.Problems, certificateDoubts(s.keeper, &s.cfg.Hosts)...)
	}
	return st
}

// status takes the picture as the admins of one deployment may see it.
func (s *Server) status(v *vessel) Status {
	l, e, db := &s.cfg.Limits, s.engine.Stats(), v.deployment.DB.Stats()
	st := Status{
		Version: s.cfg.Version, Deployment: v.deployment.Name, UptimeSeconds: int64(time.Since(s.began) / time.Second),
		Connections:   Gauge{s.admission.connections.Load(), int64(l.Connections)},
		Sockets:       Gauge{int64(s.fleet.places.Open()), int64(l.Sockets)},
		Requests:      Gauge{s.admission.requests.Load(), int64(l.Requests)},
		Refused:       s.admission.refused.Load() + v.sync.Refused(),
		Subscriptions: Gauge{Used: int64(db.Subscriptions)},
		Workers:       Gauge{int64(e.Running), int64(e.Workers)},
		Queue:         Gauge{int64(e.Queued), int64(l.Queue)},
		WriteLog:      Gauge{int64(db.LogKeys), int64(l.WriteLog)},
		Files:         Gauge{openFiles(), int64(s.files)},
		ParkedThreads: Gauge{int64(e.Parked), maxParked},
		MemoryBytes:   resident(), HeapBytes: goMemory("/memory/classes/heap/objects:bytes"), StoreBytes: db.DiskBytes, HouseBytes: s.db.Stats().DiskBytes,
		RetentionSeconds: l.Retention.Seconds(), HistorySeconds: history(db), Problems: []string{},
	}
	if s.data != nil {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(s.data.path, &fs); err == nil {
			st.DiskFreeBytes = int64(fs.Bavail) * int64(fs.Bsize)
			if st.DiskFreeBytes < lowDisk {
				st.problem("only %d MB are free on the disk of the data directory: make room, or the house stops when it is full", st.DiskFreeBytes>>20)
			}
		}
	}
	s.backupStatus(&st)
	if st.ParkedThreads.Used >= maxParked {
		st.problem("%d threads were lost to fatal errors of the JavaScript engine: restart the house at a quiet time to get their memory back", st.ParkedThreads.Used)
	}
	for name, g := range map[string]Gauge{
		"connections": st.Connections, "sockets": st.Sockets, "requests": st.Requests, "queue": st.Queue,
	} {
		if g.Used >= g.Limit {
			st.problem("the limit of %s is reached (%d): raise --max-%s, or find out who takes so many", name, g.Limit, name)
		}
	}
	if g := st.Files; g.Limit > 0 && g.Used > g.Limit*9/10 {
		st.problem("%d of %d files are open: raise the process's limit (ulimit -n, LimitNOFILE) and restart", g.Used, g.Limit)
	}
	return st
}

// Listener is a port where the house answers.
type Listener struct {
	Purpose string   `json:"purpose"`
	Address string   `json:"address"`
	TLS     bool     `json:"tls,omitempty"`
	Hosts   []string `json:"hosts,omitempty"` // that share it
}

// told are the house's own listeners, for people.
func (s *Server) told() []Listener {
	var all []Listener
	for _, f := range s.fronts {
		l := Listener{Purpose: f.socket.purpose, Address: f.socket.listeners[0].Addr().String(), TLS: f.tls != nil}
		if f.socket == s.httpsSocket || s.httpsSocket == nil && f.socket == s.httpSocket {
			for _, h := range s.cfg.Hosts.all() {
				l.Hosts = append(l.Hosts, h.names...)
			}
		}
		all = append(all, l)
	}
	return all
}

// problem notes something for a person.
func (s *Status) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// history is how far back snapshots can be read, in seconds.
func history(s database.Stats) float64 {
	if s.Horizon == 0 {
		return 0 // nothing was forgotten yet
	}
	return time.Since(s.Horizon.Time()).Seconds()
}

// openFiles counts the process's open files; 0 where that cannot be told.
func openFiles() int64 {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return int64(len(names))
}

// resident is the memory of the process, or of Go where that cannot be told.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if f := strings.Fields(string(b)); err == nil && len(f) > 1 {
		if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	return goMemory("/memory/classes/total:bytes")
}

// goMemory is a figure of package runtime/metrics, which unlike
// runtime.ReadMemStats stops nobody.
func goMemory(name string) int64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// AdminKey derives the admin key of a deployment from a data directory, whether or
// not the house in it runs: who may read its secrets may know it.
func AdminKey(dir, deploymentName string, masters [][]byte) (string, error) {
	ring, err := (&dataDir{path: dir}).peekRing(masters)
	if err != nil {
		return "", explain(dir, err)
	}
	return token.AdminKeyOf(ring.Root, deploymentName)
}
