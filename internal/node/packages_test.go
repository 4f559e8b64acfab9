package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// uses is a module that wants a package.
var uses = isolate.Module{Path: "act.js", Source: `import { soup } from "lentil-soup"; import { action } from "./_deps/node/LIB.js"; export const taste = action(() => soup());`}

// soup loads that module with the package.
func soup(t *testing.T, p *Pool) (*Program, error) {
	return p.Load(t.Context(), Source{Modules: []isolate.Module{uses, {Path: "_deps/node/LIB.js", Source: library}}, Packages: []Package{{"lentil-soup", "1.2.3"}}})
}

// refusal is the code of an error that callers may see.
func refusal(t *testing.T, err error) *apierr.Error {
	t.Helper()
	var e *apierr.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a refusal: %v", err)
	}
	return e
}

func TestPackagesOfTheProject(t *testing.T) {
	t.Parallel()
	project := t.TempDir()
	dir := filepath.Join(project, "node_modules", "lentil-soup")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"package.json": `{"name":"lentil-soup","version":"1.2.3","main":"m.js"}`, "m.js": `exports.soup = () => "home-made";`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := soup(t, open(t, Options{Project: project}))
	if err != nil {
		t.Fatal(err)
	}
	want(t, p, "act:taste", "{}", `"home-made"`, nil)
}

// registry serves one package as npm asks for it.
func registry(t *testing.T) (url string, asked *atomic.Int32) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range map[string]string{
		"package/package.json": `{"name":"lentil-soup","version":"1.2.3","main":"m.js","scripts":{"install":"touch ran"}}`,
		"package/m.js":         `exports.soup = () => "bought" + require("node:fs").existsSync(__dirname + "/ran");`,
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(b.Bytes())
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/soup.tgz":
			_, _ = w.Write(b.Bytes())
		case "/lentil-soup":
			_ = json.NewEncoder(w).Encode(map[string]any{
				"name": "lentil-soup", "dist-tags": map[string]string{"latest": "1.2.3"},
				"versions": map[string]any{"1.2.3": map[string]any{
					"name": "lentil-soup", "version": "1.2.3", "hasInstallScript": true,
					"dist": map[string]string{"tarball": "http://" + r.Host + "/soup.tgz", "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:])},
				}},
			})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestPackagesAreInstalledOnce(t *testing.T) {
	url, asked := registry(t)
	t.Setenv("npm_config_registry", url)
	t.Setenv("npm_config_cache", t.TempDir())
	pool := open(t, Options{Project: t.TempDir()})
	p, err := soup(t, pool)
	if err != nil {
		t.Fatal(err)
	}
	want(t, p, "act:taste", "{}", `"boughtfalse"`, nil)
	n := asked.Load()
	if _, err := soup(t, pool); err != nil || asked.Load() != n {
		t.Errorf("the second time the registry was asked %d times, %v", asked.Load()-n, err)
	}
	_, err = pool.Load(t.Context(), Source{Modules: []isolate.Module{uses}, Packages: []Package{{"lentil-pudding", "9.9.9"}}})
	if e := refusal(t, err); e.Code != "ExternalPackagesFailed" || !strings.Contains(e.Message, "lentil-pudding@9.9.9") || !strings.Contains(e.Message, "404") {
		t.Errorf("a package that is not there: %v", e)
	}
}

func TestPackagesAreNamedProperly(t *testing.T) {
	t.Parallel()
	pool := open(t, Options{})
	for _, d := range []Package{{"--global", "1.0.0"}, {"../up", "1.0.0"}, {"a b", "1.0.0"}, {"soup", "file:/etc"}, {"soup", "latest"}, {"soup", "git+ssh://x"}, {"", "1.0.0"}} {
		_, err := pool.Load(t.Context(), Source{Packages: []Package{d}})
		if e := refusal(t, err); e.Code != "InvalidPackage" {
			t.Errorf("%+v: %v", d, e)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho v18.20.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, binary, wanted, code, message string }{
		{"missing", filepath.Join(dir, "none"), "", "NodeNotInstalled", "Install Node.js 20 or newer"},
		{"old", old, "", "NodeVersionNotSupported", "v18.20.1"},
		{"not node", "/bin/true", "", "NodeNotInstalled", "does not work as Node.js"},
		{"18 wanted", "", "18", "NodeVersionNotSupported", "node.nodeVersion in convex.json"},
		{"far ahead", "", "98", "NodeVersionNotSupported", "convex.json asks for Node.js 98"},
		{"no number", "", "lts", "NodeVersionNotSupported", "lts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := open(t, Options{Binary: c.binary}).Check(t.Context(), c.wanted)
			if e := refusal(t, err); e.Code != c.code || !strings.Contains(e.Message, c.message) {
				t.Errorf("refused with %s: %s", e.Code, e.Message)
			}
		})
	}
	if err := open(t, Options{}).Check(t.Context(), "20"); err != nil {
		t.Error(err)
	}
}
