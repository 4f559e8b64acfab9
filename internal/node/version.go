package node

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// minMajor is the oldest Node.js that runs actions.
const minMajor = 20

// Version is the Node.js that was found.
type Version struct {
	Major  int
	Text   string // "v22.11.0"
	binary string
}

// found remembers the Node.js that was found. It is looked for again as long as there is none.
type found struct {
	mu sync.Mutex
	v  *Version
}

// versionText is what `node --version` prints.
var versionText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v(\d+)\.\d+\.\d+\S*$`) })

// Version finds Node.js. Its refusals are for whoever pushes.
func (p *Pool) Version(ctx context.Context) (Version, error) {
	p.runtime.mu.Lock()
	defer p.runtime.mu.Unlock()
	if p.runtime.v != nil {
		return *p.runtime.v, nil
	}
	name := p.opt.Binary
	if name == "" {
		name = "node"
	}
	binary, err := exec.LookPath(name)
	if err != nil {
		where := "on the PATH of Lentil"
		if p.opt.Binary != "" {
			where = "at " + p.opt.Binary
		}
		return Version{}, refuse("NodeNotInstalled", "Functions with \"use node\" need Node.js, which was not found %s. "+
			"Install Node.js %d or newer, or name it with LENTIL_NODE=/path/to/node when starting Lentil, and push again.", where, minMajor)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "--version")
	cmd.Env = []string{}
	out, err := cmd.Output()
	m := versionText().FindStringSubmatch(strings.TrimSpace(string(out)))
	if err != nil || m == nil {
		return Version{}, refuse("NodeNotInstalled", "%s does not work as Node.js (%v). Install Node.js %d or newer, or name it with "+
			"LENTIL_NODE=/path/to/node when starting Lentil, and push again.", binary, err, minMajor)
	}
	major, _ := strconv.Atoi(m[1])
	v := Version{Major: major, Text: m[0], binary: binary}
	if v.Major < minMajor {
		return Version{}, refuse("NodeVersionNotSupported", "Node.js %s at %s is too old for functions with \"use node\". Install Node.js %d or newer, "+
			"or name it with LENTIL_NODE=/path/to/node when starting Lentil, and push again.", v.Text, binary, minMajor)
	}
	p.runtime.v = &v
	return v, nil
}

// Check holds the version that a project asks for ("node.nodeVersion" of
// convex.json; "" for any) against the one that is there. A newer one will do.
func (p *Pool) Check(ctx context.Context, wanted string) error {
	v, err := p.Version(ctx)
	if err != nil || wanted == "" {
		return err
	}
	major, err := strconv.Atoi(wanted)
	switch {
	case err != nil || major < minMajor || major > 99:
		return refuse("NodeVersionNotSupported", "Node.js %.20s is not supported. Set node.nodeVersion in convex.json to %d or a newer version, or remove it.", wanted, minMajor)
	case major > v.Major:
		return refuse("NodeVersionNotSupported", "convex.json asks for Node.js %d (node.nodeVersion), but Lentil runs %s at %s. "+
			"Install Node.js %d, or name it with LENTIL_NODE=/path/to/node when starting Lentil.", major, v.Text, v.binary, major)
	}
	return nil
}

// refuse is an error for whoever pushes.
func refuse(code, format string, args ...any) error {
	return apierr.New(apierr.BadRequest, code, "%s", fmt.Sprintf(format, args...))
}
