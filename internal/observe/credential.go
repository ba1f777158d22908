package observe

import (
	"context"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

var credential = &Observer{
	Name:  "credential",
	Doc:   "which private keys, tokens and passwords of programs lie on the host and who can read them; never what is in them",
	Sees:  []string{fact.KindCredential},
	Needs: []string{"account", "process"},
	Reads: []string{"/etc/group", "/root/.ssh", "/home/*/.ssh", "/etc/ssl/private", "/etc/letsencrypt/live", "/var/www", "/srv", "/opt"},
	See:   seeCredentials,
}

const (
	maxCredentials = 2000 // of one host
	maxFolders     = 300  // in which programs run
)

// kept says where the programs of an account keep what lets them in elsewhere,
// below its home: as their own documentation names the files.
var kept = []struct{ kind, file string }{
	{"aws", ".aws/credentials"},
	{"google-cloud", ".config/gcloud/credentials.db"},
	{"google-cloud", ".config/gcloud/application_default_credentials.json"},
	{"azure", ".azure/msal_token_cache.json"},
	{"azure", ".azure/accessTokens.json"},
	{"aliyun", ".aliyun/config.json"},
	{"tencent-cloud", ".tccli/default.credential"},
	{"kubernetes", ".kube/config"},
	{"registry", ".docker/config.json"},
	{"git", ".git-credentials"},
	{"git", ".config/git/credentials"},
	{"github", ".config/gh/hosts.yml"},
	{"netrc", ".netrc"},
	{"mysql", ".my.cnf"},
	{"mysql", ".mylogin.cnf"},
	{"postgresql", ".pgpass"},
	{"npm", ".npmrc"},
	{"pypi", ".pypirc"},
	{"vault", ".vault-token"},
	{"terraform", ".terraform.d/credentials.tfrc.json"},
	{"storage", ".s3cfg"},
	{"storage", ".config/rclone/rclone.conf"},
	{"gpg", ".gnupg/private-keys-v1.d"},
}

// hostWide are those that belong to the host itself.
var hostWide = []struct {
	kind string
	file fact.Path
}{
	{"kubernetes", "/etc/kubernetes/admin.conf"},
	{"kubernetes", "/etc/rancher/k3s/k3s.yaml"},
	{"kubernetes", "/var/lib/kubelet/kubeconfig"},
	{"mysql", "/etc/mysql/debian.cnf"},
	{"jenkins", "/var/lib/jenkins/secrets/master.key"},
	{"backup", "/etc/restic/password"},
	{"ansible", "/etc/ansible/vault_pass"},
}

// inFolder are files of settings in which applications keep passwords, in the
// folder that they run in or are served from.
var inFolder = []string{
	".env", ".env.production", "config/.env", "wp-config.php", "config/database.yml", "config/secrets.yml", "application.properties",
	"application.yml", "application-prod.properties", "application-prod.yml", "config/application.properties", "config/application.yml",
	"appsettings.json", "local_settings.py",
}

func seeCredentials(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	c := &credentials{v: v, pl: newPlaces(v, in), seen: map[fact.FileID]bool{}}
	err := c.look(ctx, in)
	if c.over > 0 {
		c.p.Gaps = append(c.p.Gaps, fact.Gap{Code: "too-many", What: "credentials", Count: c.over})
	}
	return c.p, err
}

type credentials struct {
	v    *View
	pl   *places
	seen map[fact.FileID]bool
	over int // files beyond the bound
	p    Part
}

func (c *credentials) look(ctx context.Context, in *fact.Snapshot) error {
	for _, home := range homesOf(in.Account) {
		for _, k := range kept {
			c.add(k.kind, host.Join(home, k.file))
		}
		c.keys(host.Join(home, ".ssh"), func(n string) bool { return strings.HasPrefix(n, "id_") && path.Ext(n) != ".pub" })
	}
	for _, h := range hostWide {
		c.add(h.kind, h.file)
	}
	c.certificates()
	for _, dir := range c.folders(in) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, f := range inFolder {
			c.add("settings", host.Join(dir, f))
		}
	}
	return ctx.Err()
}

// add keeps a file that is there. What is empty lets nobody in.
func (c *credentials) add(kind string, at fact.Path) {
	info, err := c.v.Stat(at)
	if err != nil {
		c.p.gap(at, err)
		return
	}
	if info.Type != "regular" && info.Type != "dir" || info.Size == 0 && info.Type == "regular" || c.seen[info.ID] {
		return
	}
	c.seen[info.ID] = true
	if len(c.p.Credential) >= maxCredentials {
		c.over++
		return
	}
	c.p.Credential = append(c.p.Credential, fact.Credential{
		Ref: fact.CredentialRef(at), Kind: kind, Path: at, Owner: c.pl.name(info.UID), Mode: info.Mode,
		Readers: c.pl.readers(at, info), Modified: info.Modified,
	})
}

// keys are the private keys in a folder, by their names.
func (c *credentials) keys(dir fact.Path, private func(name string) bool) {
	if !exists(c.v, dir) {
		return
	}
	c.v.Allow(dir)
	for _, f := range c.p.list(c.v, dir) {
		if private(path.Base(string(f))) || path.Ext(string(f)) == ".pem" || path.Ext(string(f)) == ".key" {
			c.add("ssh-key", f)
		}
	}
}

// certificates are the private keys of servers.
func (c *credentials) certificates() {
	if exists(c.v, "/etc/ssl/private") {
		for _, f := range c.p.list(c.v, "/etc/ssl/private") {
			if path.Base(string(f)) != "ssl-cert-snakeoil.key" { // every Debian makes it, and nobody trusts it
				c.add("tls-key", f)
			}
		}
	}
	if exists(c.v, "/etc/letsencrypt/live") {
		for _, d := range c.p.list(c.v, "/etc/letsencrypt/live") {
			c.add("tls-key", host.Join(d, "privkey.pem"))
		}
	}
}

// folders are those in which programs run, and those that are served.
func (c *credentials) folders(in *fact.Snapshot) []fact.Path {
	var out []fact.Path
	add := func(p fact.Path) {
		if p != "" && p != "/" && !slices.Contains(out, p) && len(out) < maxFolders {
			out = append(out, p)
		}
	}
	for i := range in.Process {
		if p := &in.Process[i]; p.Container == "" {
			add(p.Cwd)
		}
	}
	for _, top := range []fact.Path{"/var/www", "/srv", "/opt"} {
		if !exists(c.v, top) {
			continue
		}
		add(top)
		for _, d := range c.p.list(c.v, top) {
			if i, err := c.v.Stat(d); err == nil && i.Type == "dir" {
				add(d)
			} else {
				c.p.gap(d, err)
			}
		}
	}
	return out
}

// homesOf are the homes of all accounts, each once, but for those that are the
// system's own folders.
func homesOf(as []fact.Account) []fact.Path {
	out := []fact.Path{"/root"}
	for i := range as {
		h := as[i].Home
		if len(h) > 1 && h[0] == '/' && !slices.Contains(out, h) && h != "/bin" && h != "/dev" && h != "/usr/sbin" && h != "/nonexistent" {
			out = append(out, h)
		}
	}
	return out[:min(len(out), maxAccounts)]
}
