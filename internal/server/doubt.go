package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/certificate"
	"github.com/lentil-dev/lentil/internal/depot"
)

// The files that a process must be able to open for a house to start at all, and
// below which so few people can come that somebody should know.
const (
	leastFiles = 96
	fewFiles   = 1024
)

// networkDisks are file systems of other machines, by the magic numbers of statfs(2):
// NFS, SMB (both), 9P and AFS. Locks and syncs there are promises of others.
var networkDisks = []int64{0x6969, 0xff534d42, 0xfe534d42, 0x01021997, 0x5346414f}

// checkFiles refuses a process that could not open what a house needs.
func checkFiles(files int) error {
	if files >= leastFiles {
		return nil
	}
	return fmt.Errorf("this process may open %d files, a house needs %d at the least and thousands for many people: raise the limit (LimitNOFILE of the unit, ulimit -n)", files, leastFiles)
}

// checkFurther says what is wrong with settings that only their rooms can read.
func (c *Config) checkFurther() error {
	if b := &c.Backup; b.To != "" {
		if _, err := depot.Open(b.To, os.Getenv, false); err != nil && !errors.Is(err, fs.ErrNotExist) { // a directory will be made
			return fmt.Errorf("backup.to: %w", err)
		}
		if _, err := archive.ParseKeep(b.Keep); err != nil {
			return fmt.Errorf("backup.keep: %w", err)
		}
	}
	if c.Breached != "" {
		list, err := authflow.OpenBreached(c.Breached)
		if err != nil {
			return fmt.Errorf("passwords.breached: %w", err)
		}
		_ = list.Close()
	}
	if c.Data == "" {
		return nil
	}
	// The nearest directory that is there must let this user make or change what is in it.
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	for {
		err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK)
		if err == nil || err == unix.ENOENT && dir == filepath.Dir(dir) {
			return nil
		}
		if err != unix.ENOENT {
			return explain(dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// Doubts are what is allowed and yet probably a mistake, in sentences for whoever set
// it: a house starts with them. Check finds what must not be.
func Doubts(c Config) (all []string) {
	doubt := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	files := raiseFiles()
	if err := c.prepare(files); err != nil {
		return nil // which Check tells
	}
	if files < fewFiles {
		doubt("this process may open %d files, so that %d people can be connected at once: raise the limit (LimitNOFILE of the unit, ulimit -n)", files, c.Limits.Sockets)
	}
	var disk syscall.Statfs_t
	if c.Data != "" && syscall.Statfs(c.Data, &disk) == nil && slices.Contains(networkDisks, int64(disk.Type)) { //nolint:unconvert // its type differs between machines
		doubt("%s lies on a disk of another machine: use one of this machine, because stores rely on its locks and on what it says is written", c.Data)
	}
	if c.Node != "" {
		if _, err := exec.LookPath(c.Node); err != nil {
			doubt("node.program: actions in Node.js will fail: %v", err)
		}
	}
	if !c.Hosts.any() {
		return all
	}
	if c.SMTP == "" {
		doubt("mail.smtp is not set: mail stays in the house, and nobody gets a code or an invitation")
	}
	if c.TLS.ByProxy && c.TrustedProxies == "" {
		doubt("proxies.trusted is not set: all people seem to come from the proxy's address and are throttled together; name the addresses of the proxy")
	}
	k := c.keeper()
	if k == nil || k.Open() != nil {
		return all
	}
	return append(all, certificateDoubts(k, &c.Hosts)...)
}

// names are all of them.
func (h *HostNames) names() (all []string) {
	for _, row := range h.all() {
		all = append(all, row.names...)
	}
	return all
}

// certificateDoubts are what is wrong with certificates that are in use all the same.
func certificateDoubts(k *certificate.Keeper, h *HostNames) (all []string) {
	for _, c := range k.States() {
		if c.Problem != "" {
			all = append(all, fmt.Sprintf("the certificate for %s needs a look: %s (%s)", strings.Join(c.Names, ", "), c.Problem, c.Source))
		}
	}
	for _, name := range k.Uncovered(h.names()) {
		all = append(all, fmt.Sprintf("no certificate is for %s: browsers and clients refuse that name; name the files of one that is in tls.certificate", name))
	}
	return all
}
