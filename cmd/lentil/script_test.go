package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
)

func TestMain(m *testing.M) {
	if strings.HasSuffix(filepath.Base(os.Args[0]), ".test") {
		// What scripts start must not inherit that hang-ups are ignored, as they are below nohup.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){"lentil": main, "get": get, "newer": newer, "writes": writes, "certificate": certificateFile, "gone": gone, "ports": ports, "preflight": preflight, "variable": setVariable})
}

// get prints the body of the URL that is its argument, asked for with the
// Authorization that may follow, and fails if the status is not 200: scripts cannot
// count on curl.
func get() {
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	if len(os.Args) > 2 {
		req.Header.Set("Authorization", os.Args[2])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
	if res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, res.Status)
		os.Exit(1)
	}
}

// certificateFile writes a certificate for the names that follow the file's, and its
// key, into that file.
func certificateFile() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: os.Args[2:], NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(os.Args[1], text, 0o600); err != nil {
		panic(err)
	}
}

// setVariable sets one environment variable of the deployment at a URL, with its admin key.
func setVariable() {
	body := fmt.Sprintf(`{"changes":[{"name":%q,"value":%q}]}`, os.Args[3], os.Args[4])
	req, err := http.NewRequest(http.MethodPost, os.Args[1]+"/api/update_environment_variables", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Convex "+os.Args[2])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, res, err)
		os.Exit(1)
	}
}

// writes changes environment variables of the deployment at a URL, with its admin
// key, until that fails.
func writes() {
	value := strings.Repeat("lentil ", 1000)
	for i := range 100_000 {
		body := fmt.Sprintf(`{"changes":[{"name":"V%d","value":"%d%s"}]}`, i%400, i, value)
		req, err := http.NewRequest(http.MethodPost, os.Args[1]+"/api/update_environment_variables", strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Convex "+os.Args[2])
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return
		}
	}
}

// preflight asks the URL that is its argument as the page of an origin would.
func preflight() {
	req, err := http.NewRequest(http.MethodOptions, os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Origin", os.Args[2])
	req.Header.Set("Access-Control-Request-Method", http.MethodPost)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	res.Body.Close()
}

// gone waits until no process has the house in a directory open.
func gone() {
	f, err := os.Open(filepath.Join(os.Args[1], "lock"))
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ports prints flags with ports for a house that is ended and started again at the same
// ones. They are below those that systems give to whoever takes any (Linux: 32768, RFC
// 6335: 49152), and above those of a fleet, so that nobody else gets them in between.
func ports() {
	var flags []string
	for _, flag := range []string{"port", "site-port", "authkit-port", "control-port", "vendor-tls-port"} {
		for {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", 22000+mathrand.IntN(10_000)))
			if err == nil {
				defer l.Close()
				flags = append(flags, fmt.Sprintf("--%s=%d", flag, l.Addr().(*net.TCPAddr).Port))
				break
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				panic(err)
			}
		}
	}
	fmt.Println(strings.Join(flags, " "))
}

// newer marks the store in a directory as written by a version to come.
func newer() {
	s, err := pebblestore.Open(os.Args[1], pebblestore.Options{})
	if err == nil {
		err = errors.Join(s.SetCell(context.Background(), "pebblestore.format", []byte("999")), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// mounts says whether this user may mount a file system in memory on dir.
func mounts(dir string) bool {
	if runtime.GOOS != "linux" || os.Getuid() != 0 || exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).Run() != nil {
		return false
	}
	return exec.Command("umount", "-l", dir).Run() == nil
}

// TestScripts drives the command as a person would; each script is a story.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// A script that mounts a small disk does so here.
			disk := filepath.Join(e.WorkDir, "disk")
			e.Defer(func() { exec.Command("umount", "-l", disk).Run() })
			e.Setenv("NO_COLOR", "1")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "mounts":
				return mounts(t.TempDir()), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
