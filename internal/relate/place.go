package relate

import (
	"slices"
	"strings"

	"demine/internal/fact"
)

// Uninstalled reports whether a path lies where packages and administrators do
// not install programs: world-writable, volatile or hidden places. Tools of one
// user do live in some hidden folders: see OwnTools.
func Uninstalled(p fact.Path) bool {
	return volatile(p) || len(hidden(p)) > 0
}

// WorthReading reports whether a program is worth reading for where it lies
// alone: everywhere but where packages put them. It decides what is read, never
// what is said.
func WorthReading(p fact.Path) bool {
	return Uninstalled(p) || !shipped(p)
}

// OwnTools reports whether a path is hidden only by folders in which well-known
// tools install themselves for one user or one project (~/.nvm, .venv), or is
// one of a user's own start-up files. That is a name only: what lies there, and
// who can write it, is for others to ask.
func OwnTools(p fact.Path) bool {
	s := string(p)
	if volatile(p) || strings.HasPrefix(s, "/etc/") || strings.HasPrefix(s, "/boot/") || shipped(p) {
		return false
	}
	hs := hidden(p)
	for _, h := range hs {
		if !ownTool(h.name, h.next) {
			return false
		}
	}
	return len(hs) > 0
}

func volatile(p fact.Path) bool {
	return under(p, "/tmp/", "/var/tmp/", "/dev/", "/run/user/", "/run/lock/", "/run/shm/", "/var/lock/", "/var/crash/", "/memfd:")
}

// shipped are the folders of packages, those of snap and Nix too.
func shipped(p fact.Path) bool {
	return !under(p, "/usr/local/") && under(p, "/usr/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/snap/", "/nix/store/", "/gnu/store/")
}

func under(p fact.Path, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(string(p), f) })
}

// hiddenName is a component of a path that a plain listing leaves out, and the
// one below it.
type hiddenName struct{ name, next string }

func hidden(p fact.Path) []hiddenName {
	var out []hiddenName
	parts := strings.Split(string(p), "/")
	for i, c := range parts {
		// Links that packages make to their programs for debuggers.
		if strings.HasPrefix(c, ".") && c != "." && c != ".." && c != ".build-id" {
			h := hiddenName{name: c}
			if i+1 < len(parts) {
				h.next = parts[i+1]
			}
			out = append(out, h)
		}
	}
	return out
}

func ownTool(name, next string) bool {
	if next == "" {
		return startup[name]
	}
	if name == ".libs" { // of auditwheel and libtool, which put libraries there
		return strings.Contains(next, ".so")
	}
	return tools[name] || within[name][next]
}

// startup are files that a shell reads when it starts; jobs read them too.
var startup = words(".profile .bash_profile .bash_login .bashrc .bash_aliases .kshrc .zshrc .zshenv .zprofile .zlogin " +
	".cshrc .tcshrc .login .env .envrc .aliases")

// tools are folders of version managers, languages, build servers, remote
// editors and file systems' snapshots.
var tools = words(".acme.sh .asdf .bin .bun .cabal .cargo .claude .composer .conda .cursor-server .deno .docker .dotfiles .dotnet " +
	".dropbox-dist .fnm .foundry .fzf .gem .ghcup .go .goenv .gradle .gvm .jabba .jdks .jenkins .jenv .juliaup .krew .linuxbrew " +
	".m2 .mamba .micromamba .minikube .mix .nix-profile .nodenv .npm .npm-global .npm-packages .nvm .oh-my-zsh .opam .phpbrew .phpenv .pixi .plenv .pnpm " +
	".pnpm-store .pm2 .proto .pub-cache .pulumi .pyenv .rbenv .rustup .rvm .rye .scripts .sdkman .snapshot .snapshots .stack .tfenv " +
	".tox .venv .env .virtualenv .virtualenvs .volta .vscode-server .vscode-server-insiders .windsurf-server .yarn .zfs")

// within are hidden folders that hold everything, and those in them that hold
// tools.
var within = map[string]map[string]bool{
	".local":  words("bin lib share pipx venv"),
	".cache":  words("JetBrains bazel electron go-build ms-playwright node pre-commit puppeteer pypoetry uv yarn"),
	".config": words("composer coc nvm yarn"),
}

func words(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}
