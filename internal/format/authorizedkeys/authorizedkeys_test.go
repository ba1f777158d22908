package authorizedkeys

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvuvcbk4drJ6gsm2u6Y0dOyjHkWlGyTfWFRhmsBwz5i"
)

func TestParse(t *testing.T) {
	want := fingerprint(t, ed25519)
	e := func(line int, comment string, options ...string) Entry {
		return Entry{Line: line, Type: "ssh-ed25519", Fingerprint: want, Comment: comment, Options: options}
	}
	for name, c := range map[string]struct {
		in   string
		want []Entry
	}{
		"plain":       {ed25519 + " me@home\n", []Entry{e(1, "me@home")}},
		"no comment":  {ed25519, []Entry{e(1, "")}},
		"crlf":        {ed25519 + " me\r\n", []Entry{e(1, "me")}},
		"comment":     {"# " + ed25519 + "\n\n" + ed25519 + " x\n", []Entry{e(3, "x")}},
		"options":     {`from="10.0.0.0/8,!10.1.1.1",command="echo \"a b\"",no-pty ` + ed25519 + " me\n", []Entry{e(1, "me", `from="10.0.0.0/8,!10.1.1.1"`, `command="echo \"a b\""`, "no-pty")}},
		"redis dump":  {"REDIS0009\xfa\tredis-ver\x055.0.7\n\xfa\nctime\xc2\x00\x01\n\n" + ed25519 + " owner\n\n\xff\x00\x01 junk", []Entry{e(5, "owner")}},
		"wrong inner": {strings.Replace(ed25519, "ssh-ed25519 ", "ssh-rsa ", 1) + " x\n", nil},
		"cut off":     {ed25519[:40] + "\n", nil},
		"too long":    {ed25519 + " " + strings.Repeat("x", maxLine) + "\n" + ed25519 + "\n", []Entry{e(2, "")}},
		"no key":      {"hello world again\n", nil},
		"open quote":  {`command="x ` + ed25519 + "\n", nil},
	} {
		if d := cmp.Diff(c.want, Parse([]byte(c.in))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func fingerprint(t *testing.T, line string) string {
	es := Parse([]byte(line))
	if len(es) != 1 {
		t.Fatalf("%d keys in %q", len(es), line)
	}
	return es[0].Fingerprint
}

// The fingerprints are those that ssh-keygen prints, for every kind of key.
func TestAsSSHKeygen(t *testing.T) {
	for _, typ := range []string{"ed25519", "ecdsa", "rsa"} {
		file := filepath.Join(t.TempDir(), typ)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", typ, "-N", "", "-C", "a b", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v %s", err, out)
		}
		out, err := exec.Command("ssh-keygen", "-l", "-f", file+".pub").Output()
		if err != nil {
			t.Fatal(err)
		}
		pub, err := os.ReadFile(file + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		es := Parse(pub)
		if len(es) != 1 || es[0].Comment != "a b" || !strings.Contains(string(out), " "+es[0].Fingerprint+" ") {
			t.Errorf("%s: %+v, ssh-keygen says %s", typ, es, out)
		}
	}
}

// A key stays found whatever is on the lines around it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("REDIS0009\xfa\n"), []byte("\xff"))
	f.Add([]byte("# x\n"), []byte(`command="`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		file := append(append(append([]byte{}, before...), "\n"+ed25519+" me\n"...), after...)
		found := false
		for _, e := range Parse(file) {
			found = found || e.Comment == "me" && strings.HasPrefix(e.Fingerprint, "SHA256:")
		}
		if !found {
			t.Fatal("the key is not found")
		}
	})
}
