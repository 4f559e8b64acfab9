package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/setting"
)

// Settings are the rows of everything that a person can set, each bound to its
// field of c. Adding a field means adding its row here: flags, variables, the keys
// of a file, the printed configuration and its documentation follow from it.
func (c *Config) Settings() []*setting.Row {
	l := &c.Limits
	return []*setting.Row{
		{Key: "data", Flag: "data", Variable: "LENTIL_DATA", Serve: true, Into: &c.Data, Help: "directory that holds everything durable"},
		{Key: "deployment", Flag: "deployment", Variable: "LENTIL_DEPLOYMENT", Serve: true, Into: &c.Deployment, Default: "chosen", Help: "name of the deployment in a new house"},

		{Key: "listen.host", Flag: "host", Variable: "LENTIL_HOST", Into: &c.Host, Default: "127.0.0.1", Help: "address to listen on"},
		{Key: "listen.port", Flag: "port", Variable: "LENTIL_PORT", Into: &c.Port, Default: strconv.Itoa(DefaultPort), Help: "port of the deployment; 0 takes any free one"},
		{Key: "listen.site-port", Flag: "site-port", Variable: "LENTIL_SITE_PORT", Into: &c.SitePort, Default: strconv.Itoa(DefaultSitePort), Help: "port of the deployment's HTTP actions"},
		{Key: "listen.authkit-port", Flag: "authkit-port", Variable: "LENTIL_AUTHKIT_PORT", Into: &c.AuthKitPort, Default: strconv.Itoa(DefaultAuthKitPort), Help: "port of sign-in and its API"},
		{Key: "listen.control-port", Flag: "control-port", Variable: "LENTIL_CONTROL_PORT", Into: &c.ControlPort, Default: strconv.Itoa(DefaultControlPort), Help: "port of the dashboard and the management API"},

		{Key: "listen.vendor-tls-port", Flag: "vendor-tls-port", Variable: "LENTIL_VENDOR_TLS_PORT", Into: &c.VendorTLSPort, Default: "any free one", Help: "port at which programs of this machine find the house under the vendors' names"},

		{Key: "listen.https-port", Flag: "https-port", Variable: "LENTIL_HTTPS_PORT", Serve: true, Into: &c.HTTPSPort, Default: strconv.Itoa(defaultHTTPS), Help: "port that the host names share"},
		{Key: "listen.http-port", Flag: "http-port", Variable: "LENTIL_HTTP_PORT", Serve: true, Into: canBeOff{&c.HTTPPort}, Default: strconv.Itoa(defaultHTTP), Help: "port that sends people to https and answers the authority, or off; behind a proxy, the one it talks to"},

		{Key: "hosts.deployment", Flag: "deployment-host", Variable: "LENTIL_DEPLOYMENT_HOST", Serve: true, Into: &c.Hosts.Deployment, Help: "host names of the deployment, between commas"},
		{Key: "hosts.site", Flag: "site-host", Variable: "LENTIL_SITE_HOST", Serve: true, Into: &c.Hosts.Site, Help: "host names of its HTTP actions"},
		{Key: "hosts.authkit", Flag: "authkit-host", Variable: "LENTIL_AUTHKIT_HOST", Serve: true, Into: &c.Hosts.AuthKit, Help: "host names of sign-in and its API"},
		{Key: "hosts.control", Flag: "control-host", Variable: "LENTIL_CONTROL_HOST", Serve: true, Into: &c.Hosts.Control, Default: "this machine alone", Help: "host names of the dashboard and the management API"},

		{Key: "tls.certificate", Flag: "tls-certificate", Variable: "LENTIL_TLS_CERTIFICATE", Serve: true, Into: &c.TLS.Certificates, Help: "files with certificates and their chains, in PEM"},
		{Key: "tls.key", Flag: "tls-key", Variable: "LENTIL_TLS_KEY", Serve: true, Into: &c.TLS.Keys, Default: "in the same files", Help: "files with their keys, in the same order"},
		{Key: "tls.by-proxy", Flag: "tls-by-proxy", Variable: "LENTIL_TLS_BY_PROXY", Serve: true, Into: &c.TLS.ByProxy, Default: "false", Help: "a proxy in front speaks TLS, and plain HTTP with us"},
		{Key: "tls.hsts", Flag: "hsts", Variable: "LENTIL_HSTS", Serve: true, Into: &c.TLS.HSTS, Default: "180d where the port is 443", Help: "how long browsers shall insist on https, in days, or off"},

		{Key: "acme.accept-terms", Flag: "acme-accept-terms", Variable: "LENTIL_ACME_ACCEPT_TERMS", Serve: true, Into: &c.ACME.AcceptTerms, Default: "false", Help: "get certificates from an authority, whose terms you have read and accept"},
		{Key: "acme.email", Flag: "acme-email", Variable: "LENTIL_ACME_EMAIL", Serve: true, Into: &c.ACME.Email, Help: "address that the authority may write to"},
		{Key: "acme.directory", Flag: "acme-directory", Variable: "LENTIL_ACME_DIRECTORY", Serve: true, Into: &c.ACME.Directory, Default: "Let's Encrypt", Help: "address of the authority's directory"},
		{Key: "acme.roots", Flag: "acme-roots", Variable: "LENTIL_ACME_ROOTS", Serve: true, Into: &c.ACME.Roots, Default: "the system's", Help: "file with what the authority's own address is trusted by"},
		{Key: "acme.key-id", Flag: "acme-key-id", Variable: "LENTIL_ACME_KEY_ID", Serve: true, Into: &c.ACME.KeyID, Help: "account with the authority that ours is bound to"},
		{Key: "acme.mac-key", Variable: "LENTIL_ACME_MAC_KEY", Serve: true, Secret: true, Into: &c.ACME.MACKey, Help: "key that binds it, in base64url"},

		{Key: "drain.delay", Flag: "drain-delay", Variable: "LENTIL_DRAIN_DELAY", Serve: true, Into: &c.DrainDelay, Default: "0", Help: "how long a house that stops goes on, not ready any more, before it takes nobody in"},
		{Key: "drain.time", Flag: "drain-time", Variable: "LENTIL_DRAIN_TIME", Serve: true, Into: &c.DrainTime, Default: "5s", Help: "how long it then waits for what runs"},

		{Key: "metrics.token", Variable: "LENTIL_METRICS_TOKEN", Serve: true, Secret: true, Into: &c.MetricsToken, Default: "programs of this machine alone", Help: "what shows the figures of the house to whoever has it"},

		{Key: "public.url", Flag: "url", Variable: "LENTIL_URL", Into: &c.URL, Help: "public address of the deployment, behind a proxy"},
		{Key: "public.site-url", Flag: "site-url", Variable: "LENTIL_SITE_URL", Into: &c.SiteURL, Help: "public address of the HTTP actions, behind a proxy"},
		{Key: "public.authkit-url", Flag: "authkit-url", Variable: "LENTIL_AUTHKIT_URL", Into: &c.AuthKitURL, Help: "public address of the sign-in service, behind a proxy"},
		{Key: "public.control-url", Flag: "control-url", Variable: "LENTIL_CONTROL_URL", Into: &c.ControlURL, Help: "public address of the dashboard and the management API, behind a proxy"},
		{Key: "public.deployments-domain", Flag: "deployments-domain", Variable: "LENTIL_DEPLOYMENTS_DOMAIN", Into: &c.DeploymentsDomain, Default: "ports of their own", Help: "domain in which further deployments have host names: NAME.DOMAIN and NAME.site.DOMAIN"},

		{Key: "proxies.trusted", Flag: "trusted-proxies", Variable: "LENTIL_TRUSTED_PROXIES", Into: &c.TrustedProxies, Help: "addresses and networks of proxies that tell the client's address"},
		{Key: "proxies.client-address-header", Flag: "client-address-header", Variable: "LENTIL_CLIENT_ADDRESS_HEADER", Into: &c.ClientAddressHeader, Default: defaultPeerHeader, Help: "header in which they tell it"},
		{Key: "proxies.protocol", Flag: "proxy-protocol", Variable: "LENTIL_PROXY_PROTOCOL", Serve: true, Into: &c.ProxyProtocol, Default: "false", Help: "they tell it by the PROXY protocol instead, on the ports of the host names"},

		{Key: "tokens.issuer", Flag: "issuer", Variable: "LENTIL_ISSUER", Into: &c.Issuer, Default: "the vendor's", Help: "issuer of access tokens; <clientId> stands for the client id"},
		{Key: "tokens.access-token-lifetime", Flag: "access-token-lifetime", Variable: "LENTIL_ACCESS_TOKEN_LIFETIME", Into: &c.AccessTokenLifetime, Default: "5m", Help: "how long access tokens last"},
		{Key: "tokens.refresh-reuse-window", Flag: "refresh-reuse-window", Variable: "LENTIL_REFRESH_REUSE_WINDOW", Into: &c.RefreshReuseWindow, Default: "30s", Help: "how long a used refresh token still answers"},
		{Key: "tokens.vendor-host", Flag: "vendor-host", Variable: "LENTIL_VENDOR_HOST", Into: &c.VendorHost, Default: "own on this machine alone, else away", Help: "what functions reach at https://api.workos.com: own or away"},

		{Key: "mail.smtp", Flag: "smtp", Variable: "LENTIL_SMTP_URL", Secret: true, Into: &c.SMTP, Default: "the outbox", Help: "where mail goes: smtp://user:password@host:port"},
		{Key: "mail.from", Flag: "mail-from", Variable: "LENTIL_MAIL_FROM", Into: &c.MailFrom, Help: "sender of mail that leaves the house"},

		{Key: "passwords.breached", Flag: "breached-passwords", Variable: "LENTIL_BREACHED_PASSWORDS", Into: &c.Breached, Help: "sorted list of SHA-1 hashes that new passwords must not be in"},

		{Key: "node.program", Flag: "node", Variable: "LENTIL_NODE", Into: &c.Node, Default: "the one on the PATH", Help: "Node.js for actions with \"use node\""},
		{Key: "node.workers", Flag: "node-workers", Variable: "LENTIL_NODE_WORKERS", Into: &c.NodeWorkers, Default: "16", Help: "actions in Node.js at once"},
		{Key: "node.memory", Flag: "node-memory", Variable: "LENTIL_NODE_MEMORY", Into: &c.NodeMemory, Default: "512", Help: "MiB that the process of such an action may use"},
		{Key: "node.timeout", Flag: "node-timeout", Variable: "LENTIL_NODE_TIMEOUT", Into: &c.NodeTimeout, Default: "10m", Help: "time that such an action may take"},

		{Key: "limits.workers", Flag: "workers", Variable: "LENTIL_WORKERS", Into: &c.Workers, Default: "two for each processor", Help: "functions that run JavaScript at once"},
		{Key: "limits.max-sockets", Flag: "max-sockets", Variable: "LENTIL_MAX_SOCKETS", Into: &l.Sockets, Default: "20,000, or half of the files the process may open", Help: "open sockets of live queries"},
		{Key: "limits.max-connections", Flag: "max-connections", Variable: "LENTIL_MAX_CONNECTIONS", Into: &l.Connections, Default: "10,000, or three eighths of the files", Help: "open HTTP connections"},
		{Key: "limits.max-requests", Flag: "max-requests", Variable: "LENTIL_MAX_REQUESTS", Into: &l.Requests, Default: "5,000", Help: "HTTP requests answered at once"},
		{Key: "limits.max-queue", Flag: "max-queue", Variable: "LENTIL_MAX_QUEUE", Into: &l.Queue, Default: "10,000", Help: "functions waiting for a worker"},
		{Key: "limits.write-log", Flag: "write-log", Variable: "LENTIL_WRITE_LOG", Into: &l.WriteLog, Default: "200,000", Help: "written index keys remembered to find conflicts"},
		{Key: "limits.retention", Flag: "retention", Variable: "LENTIL_RETENTION", Into: &l.Retention, Default: "4h", Help: "how long old revisions stay readable"},
		{Key: "limits.deployment-idle", Flag: "deployment-idle", Variable: "LENTIL_DEPLOYMENT_IDLE", Into: &c.DeploymentIdle, Default: "5m", Help: "how long a deployment that nobody uses stays open"},

		{Key: "backup.to", Flag: "backup", Variable: "LENTIL_BACKUP", Into: &c.Backup.To, Help: "where the house is backed up to all the time: a directory, or s3://bucket/prefix?endpoint=…&region=…"},
		{Key: "backup.every", Flag: "backup-every", Variable: "LENTIL_BACKUP_EVERY", Into: &c.Backup.Every, Default: "5s", Help: "how often what was committed is shipped there"},
		{Key: "backup.base-every", Flag: "backup-base-every", Variable: "LENTIL_BACKUP_BASE_EVERY", Into: &c.Backup.BaseEvery, Default: "24h", Help: "how often a whole copy is made, from which a restore begins"},
		{Key: "backup.keep", Flag: "backup-keep", Variable: "LENTIL_BACKUP_KEEP", Into: &c.Backup.Keep, Default: "7d,30d,12w", Help: "what stays: every second of 7 days, a state a day of 30 days, one a week of 12 weeks"},
		{Key: "backup.rate", Flag: "backup-rate", Variable: "LENTIL_BACKUP_RATE", Into: &c.Backup.Rate, Default: "32", Help: "MiB a second that a whole copy may read"},
		{Key: "backup.key", Variable: "LENTIL_BACKUP_KEY", Secret: true, Serve: true, Into: backupText{&c.Backup.Key}, Default: "nothing is sealed", Help: "key that the backup is sealed by; keep it apart from the backup"},
		{Key: "backup.key-file", Variable: "LENTIL_BACKUP_KEY_FILE", Serve: true, Into: backupFile{&c.Backup.Key}, Help: "file that holds it"},

		{Key: "keys.master-key", Variable: "LENTIL_MASTER_KEY", Secret: true, Serve: true, Into: masterText{&c.MasterKeys}, Default: "one in the data directory", Help: "key that the ring of keys is wrapped under; the present one first"},
		{Key: "keys.master-key-file", Variable: "LENTIL_MASTER_KEY_FILE", Serve: true, Into: masterFile{&c.MasterKeys}, Help: "file that holds it"},
	}
}

// SettingsTable is the table of settings for the documentation, in Markdown.
func SettingsTable() string {
	var b strings.Builder
	b.WriteString("| key | flag | variable | default | what |\n|---|---|---|---|---|\n")
	for _, r := range new(Config).Settings() {
		flag, secret := "", ""
		if r.Flag != "" {
			flag = "`--" + r.Flag + "`"
		}
		if r.Secret {
			secret = " (a secret)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s%s |\n", r.Key, flag, r.Variable, r.Default, strings.ReplaceAll(r.Help, "<clientId>", "`<clientId>`"), secret)
	}
	return b.String()
}

// UnmarshalText reads the number of a port that nothing else will do for.
func (p *Port) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not a port between 0 and 65535", text)
	}
	*p = Port{Number: n, Fixed: true}
	return nil
}

// canBeOff is a port that there need not be.
type canBeOff struct{ *Port }

// UnmarshalText reads a number, or off.
func (p canBeOff) UnmarshalText(text []byte) error {
	if string(text) == off {
		*p.Port = Port{Off: true}
		return nil
	}
	return p.Port.UnmarshalText(text)
}

// IsPort tells package setting that the value is a number.
func (p *Port) IsPort() {}

// masterText reads master keys.
type masterText struct{ keys *[][]byte }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (m masterText) UnmarshalText(text []byte) error {
	keys, err := parseMasters(string(text))
	if err == nil && len(keys) == 0 {
		err = errors.New("the master key is blank")
	}
	*m.keys = keys
	return err
}

// masterFile reads master keys from a file, unless there are some already.
type masterFile struct{ keys *[][]byte }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (m masterFile) UnmarshalText(name []byte) error {
	if len(*m.keys) > 0 {
		return nil
	}
	text, err := os.ReadFile(string(name))
	if err != nil {
		return err
	}
	return masterText(m).UnmarshalText(text)
}

// backupText reads the key that backups are sealed by.
type backupText struct{ key *[]byte }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (b backupText) UnmarshalText(text []byte) error {
	key, err := parseBackupKey(string(text))
	*b.key = key
	return err
}

// backupFile reads that key from a file, unless there is one already.
type backupFile struct{ key *[]byte }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (b backupFile) UnmarshalText(name []byte) error {
	if *b.key != nil {
		return nil
	}
	text, err := os.ReadFile(string(name))
	if err != nil {
		return err
	}
	return backupText(b).UnmarshalText(text)
}

// Check says what is wrong with a configuration, as far as that can be told without
// opening anything.
func Check(cfg Config) error {
	if err := cfg.prepare(raiseFiles()); err != nil {
		return err
	}
	if _, err := parseProxies(cfg.TrustedProxies); err != nil {
		return err
	}
	if k := cfg.keeper(); k != nil {
		if err := k.Open(); err != nil {
			return err
		}
	}
	if err := cfg.checkFurther(); err != nil {
		return err
	}
	return cfg.checkMail()
}

// checkHost says whether a text is something to listen on.
func checkHost(host string) error {
	if host == "localhost" || net.ParseIP(host) != nil {
		return nil
	}
	return fmt.Errorf("the host to listen on must be an IP address, not %q; use 0.0.0.0 for all interfaces", host)
}
