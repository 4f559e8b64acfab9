package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/mail"
)

// The ports that a house prefers.
const (
	DefaultPort        = 3210 // the deployment: functions and sync
	DefaultSitePort    = 3211 // its HTTP actions
	DefaultAuthKitPort = 4100 // sign-in, its API and management
	// DefaultControlPort is where the official tools look for a dashboard that is not
	// the vendor's (convex-cli.md §4).
	DefaultControlPort = 6789
)

// Config is everything that can be set about a house. The zero value of a field
// is its default.
type Config struct {
	// Data is the directory that holds everything durable; "" keeps the house in
	// memory, for tests.
	Data string
	// MasterKeys are the keys that the data directory's ring of keys is wrapped
	// under, the present one first; none means one that lies in the directory.
	MasterKeys [][]byte
	// Deployment is the name of the deployment to create in a new house; chosen
	// when empty. A house that has one keeps its name.
	Deployment string

	// Host is the address to listen on; default 127.0.0.1 (and ::1 beside it).
	Host string
	// Port, SitePort, AuthKitPort and ControlPort are where the four listeners answer.
	Port, SitePort, AuthKitPort, ControlPort Port
	// VendorTLSPort is where the vendors' names are answered over TLS, on the loopback
	// address; any free port unless it is fixed.
	VendorTLSPort Port
	// URL, SiteURL, AuthKitURL and ControlURL are the public addresses when a proxy
	// stands in front; by default they are made from host and port.
	URL, SiteURL, AuthKitURL, ControlURL string

	// Hosts are names that share one listener, at HTTPSPort (443); HTTPPort (80) sends
	// people there. With names, the other ports are for this machine alone, and Host is
	// where the shared listener listens (everywhere).
	Hosts               HostNames
	HTTPSPort, HTTPPort Port
	TLS                 TLS
	ACME                ACME
	// Listeners are sockets that whoever started us has bound already; they are taken
	// over where the port fits.
	Listeners  []net.Listener
	publicHost string

	// MetricsToken lets whoever shows it see the figures of the house; "" leaves them
	// to programs of this machine.
	MetricsToken string

	// DrainDelay is how long a house that stops goes on as before, not ready any more,
	// so that balancers send nobody here; DrainTime how long it then waits for what
	// runs, 5 seconds by default.
	DrainDelay, DrainTime time.Duration

	// Client is the client id of the identity environment in a new house; chosen when
	// empty.
	Client string
	// Project is what a development project wants registered with the sign-in
	// service; nil for none.
	Project *Project

	// Issuer is the iss claim of access tokens, with <clientId> standing for the
	// client id; it overrides the environment's setting when not "", which is the
	// vendor's at first.
	Issuer string
	// VendorHost says what functions reach at https://api.workos.com: "own" is this
	// house's own API, "away" the vendor's. Default is own where only people on this
	// machine reach the sign-in service.
	VendorHost string
	// AccessTokenLifetime overrides the environment's setting when not 0.
	AccessTokenLifetime time.Duration
	// RefreshReuseWindow overrides the environment's setting when not 0.
	RefreshReuseWindow time.Duration

	// SMTP is where mail goes, as smtp://user:password@host:port or smtps://…;
	// "" keeps mail in the outbox.
	SMTP string
	// MailFrom is the sender of mail that leaves the house.
	MailFrom string

	// Workers bounds the queries and mutations that run JavaScript at once, and as many actions; 0 means two for
	// each processor, four at the least.
	Workers int

	// DeploymentIdle is how long a deployment other than the home one stays open when
	// nobody uses it; default 5 minutes.
	DeploymentIdle time.Duration
	// DeploymentsDomain is the domain in which deployments have host names: NAME and,
	// for HTTP actions, NAME.site. Without it each has two ports of its own.
	DeploymentsDomain string
	// Backup says where and how the house is backed up all the time.
	Backup Backup

	// Limits bound what clients and load can take.
	Limits Limits
	// TrustedProxies are the addresses and networks, separated by commas, of
	// proxies that tell the client's address; "" trusts nobody.
	TrustedProxies string
	// ProxyProtocol says that they begin each connection with a header that tells it,
	// instead.
	ProxyProtocol bool
	// ClientAddressHeader is the header in which they tell it: X-Forwarded-For
	// (default), Forwarded, or one that holds the address alone.
	ClientAddressHeader string

	// Node is the Node.js that runs actions with "use node"; "" looks for it on the
	// PATH when it is first needed.
	Node string
	// NodeWorkers bounds these actions, NodeTimeout the time of one, NodeMemory what
	// its process may use, in MiB; 0 means 16, 10 minutes, 512.
	NodeWorkers, NodeMemory int
	NodeTimeout             time.Duration

	// Hashes is the program, with its arguments, that hashes passwords beside the
	// house: it calls authflow.ServeHashes. Empty means within the house.
	Hashes []string

	// Breached names a sorted list of SHA-1 hashes of passwords known from breaches,
	// which new passwords are checked against; "" means none.
	Breached string

	// Version is told to clients that ask.
	Version string
	// Notice is told what a person at the terminal should know, such as a port
	// that was taken; nil ignores it.
	Notice func(format string, args ...any)
	// Log receives everything else.
	Log *slog.Logger
}

// Port is a wish for a port.
type Port struct {
	Number int
	// Off says that there shall be none, where that is possible.
	Off bool
	// Fixed says that nothing but Number will do; 0 then means any free port.
	// Otherwise Number 0 means the default, and the next free one is taken if it
	// is in use.
	Fixed bool
}

// Project is what a development project needs of the sign-in service.
type Project struct {
	// Name names the project's environment.
	Name         string
	Dir          string // its folder
	RedirectURIs []string
	CORSOrigins  []string
	HomepageURL  string
	// Component says that the project uses @convex-dev/workos-authkit, whose webhook
	// and actions are then connected.
	Component bool
}

// checkMail says whether the address of mail can be used.
func (c *Config) checkMail() error {
	if c.SMTP == "" {
		return nil
	}
	if c.MailFrom == "" {
		return errors.New("mail.from is missing: name the sender of mail that leaves the house, as in Example <hello@example.com>")
	}
	_, err := mail.ParseSMTP(c.SMTP, c.MailFrom)
	return err
}

// MasterKeys reads LENTIL_MASTER_KEY, or the file that LENTIL_MASTER_KEY_FILE names.
func MasterKeys(getenv func(string) string) ([][]byte, error) {
	text := getenv("LENTIL_MASTER_KEY")
	if name := getenv("LENTIL_MASTER_KEY_FILE"); text == "" && name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("LENTIL_MASTER_KEY_FILE: %w", err)
		}
		text = string(b)
	}
	keys, err := parseMasters(text)
	if err == nil && text != "" && len(keys) == 0 {
		err = errors.New("LENTIL_MASTER_KEY is blank")
	}
	return keys, err
}

// prepare checks c and fills in the defaults, of a process that may open so many files.
func (c *Config) prepare(files int) error {
	if c.Log == nil {
		return errors.New("server: Config.Log is nil")
	}
	if c.Notice == nil {
		c.Notice = func(string, ...any) {}
	}
	if err := checkFiles(files); err != nil {
		return err
	}
	c.publicHost = c.Host
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if err := checkHost(c.Host); err != nil {
		return err
	}
	for name, u := range map[string]*string{"url": &c.URL, "site-url": &c.SiteURL, "authkit-url": &c.AuthKitURL, "control-url": &c.ControlURL} {
		if *u == "" {
			continue
		}
		p, err := url.Parse(*u)
		if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" {
			return fmt.Errorf("%s must look like https://name.example.com, not %q", name, *u)
		}
		*u = strings.TrimRight(*u, "/")
	}
	for _, p := range []Port{c.Port, c.SitePort, c.AuthKitPort, c.ControlPort, c.VendorTLSPort} {
		if p.Number < 0 || p.Number > 65535 {
			return fmt.Errorf("port %d is not between 0 and 65535", p.Number)
		}
	}
	for what, d := range map[string]time.Duration{"drain delay": c.DrainDelay, "drain time": c.DrainTime} {
		if d < 0 || d > time.Hour {
			return fmt.Errorf("the %s must be between 0 and 1h, not %v", what, d)
		}
	}
	if c.DrainTime == 0 {
		c.DrainTime = drainTime
	}
	if err := c.preparePublic(); err != nil {
		return err
	}
	for what, d := range map[string]time.Duration{"access token lifetime": c.AccessTokenLifetime, "refresh reuse window": c.RefreshReuseWindow} {
		if d < 0 || d > 24*time.Hour {
			return fmt.Errorf("the %s must be between 0 and 24h, not %v", what, d)
		}
	}
	for what, n := range map[string]int{"workers": c.Workers, "node-workers": c.NodeWorkers, "node-memory": c.NodeMemory} {
		if n < 0 || n > 1<<20 {
			return fmt.Errorf("%s must be a whole number above 0, not %d; leave it out for the default", what, n)
		}
	}
	if c.DeploymentIdle < 0 {
		return errors.New("deployment-idle must not be negative; leave it out for the default")
	}
	if c.DeploymentIdle == 0 {
		c.DeploymentIdle = defaultIdle
	}
	if err := c.checkDomain(); err != nil {
		return err
	}
	if c.NodeTimeout < 0 {
		return fmt.Errorf("node-timeout must not be negative")
	}
	if c.VendorHost != "" && c.VendorHost != vendorOwn && c.VendorHost != vendorAway {
		return fmt.Errorf("LENTIL_VENDOR_HOST is %q or %q, not %q", vendorOwn, vendorAway, c.VendorHost)
	}
	if c.ClientAddressHeader == "" {
		c.ClientAddressHeader = defaultPeerHeader
	}
	c.ClientAddressHeader = http.CanonicalHeaderKey(c.ClientAddressHeader)
	return c.Limits.prepare(files)
}
