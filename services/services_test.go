package services

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// What is wrong in the content is told, with its file.
func TestWrongContent(t *testing.T) {
	const head = "title: X\ngives: data\nis: [{exe: x}]\n"
	for text, want := range map[string]string{
		head + "colour: red\n":                                         "colour",
		"title: X\n":                                                   "must say something",
		head + "config: [{format: toml}]\n":                            "toml",
		head + "auth: [{auth: open}]\n":                                "open",
		head + "auth: [{auth: none, when: {x: y}}]\n":                  `"x"`,
		head + "at: y\n":                                               `"y"`,
		head + "auth: [{auth: none, at: y}]\n":                         `"y"`,
		head + "ask: {get: /a}\n":                                      "ask",
		head + "ask: {get: a, means: [{status: 1}]}\n":                 "ask",
		head + "ask: {get: \"/a\\r\\nX: y\", means: [{status: 1}]}\n":  "ask",
		head + "ask: {get: /a, send: b, means: [{status: 1}]}\n":       "ask",
		head + "ask: {send: b, means: [{auth: none}]}\n":               "ask",
		head + "ask: {send: b, means: [{answer: \"(\", auth: none}]}":  "missing",
		head + "ask: {send: b, means: [{answer: a, auth: perhaps}]}\n": "ask",
	} {
		_, err := load(fstest.MapFS{"x.yaml": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "services/x.yaml") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is sent never changes anything: a GET of a path that only reads, or
// bytes of this list. A service more is a line more here, looked at twice.
func TestQuestionsOnlyRead(t *testing.T) {
	harmless := map[string]string{
		"memcached": "version\r\n", "zookeeper": "srvr",
		"mongodb": "", // checked below
	}
	for _, k := range All() {
		q := k.Ask
		if q == nil {
			continue
		}
		sent := string(q.Request("127.0.0.1:1"))
		switch want, ok := harmless[k.Name]; {
		case q.Get != "":
			line, rest, _ := strings.Cut(sent, "\r\n")
			if line != "GET "+q.Get+" HTTP/1.1" || strings.Count(sent, "\r\n\r\n") != 1 || !strings.HasSuffix(sent, "\r\n\r\n") || strings.Contains(rest, "Authorization") {
				t.Errorf("%s: %q", k.Name, sent)
			}
		case !ok || want != "" && sent != want:
			t.Errorf("%s sends %q", k.Name, sent)
		}
	}
}

// The lengths in MongoDB's message are right (OP_MSG, then a document).
func TestMongoMessage(t *testing.T) {
	i := slices.IndexFunc(All(), func(k *Service) bool { return k.Name == "mongodb" })
	b := All()[i].Ask.Request("")
	if n := binary.LittleEndian.Uint32(b); int(n) != len(b) || binary.LittleEndian.Uint32(b[12:]) != 2013 {
		t.Errorf("%d bytes, says %d: %x", len(b), n, b)
	}
	if n := binary.LittleEndian.Uint32(b[21:]); int(n) != len(b)-21 {
		t.Errorf("document of %d bytes, says %d", len(b)-21, n)
	}
}

func TestOption(t *testing.T) {
	src := Source{Flag: []string{"-H*", "-x", "--host", "-c listen"}, Switch: []string{"-S"}}
	for argv, want := range map[string]string{
		"d -H a --host=b -Hc": "a b c", "d --hostname x": "-", "d -S": "yes", "d -c listen=e -c other=f": "e", "d -H": "", "d -xy z": "-", "d -x y": "y", "d": "-", "d --host": "",
	} {
		got, ok := src.Option(strings.Fields(argv))
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", argv, got, want)
		}
	}
}

func TestPortsIn(t *testing.T) {
	for value, want := range map[string][]int{
		"9000": {9000}, "fd:// tcp://0.0.0.0:2375 tcp://[::]:2376/": {2375, 2376}, "*:9001": {9001}, "http://a:2379,http://b:2380": {2379, 2380},
		"/run/php.sock": nil, "[::1]": nil, "unix:///run/2375": nil, "a:99999": nil, "10.0.0.1": nil, "": nil,
	} {
		if got := PortsIn(value); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestOlder(t *testing.T) {
	for v, want := range map[string]bool{"7.17.3": true, "8.0.0": false, "8": false, "6": true, "10.1": false, "x": true} {
		if got := older(v, "8.0"); got != want {
			t.Errorf("%s: %v", v, got)
		}
	}
}

// Answers are hostile bytes.
func FuzzUnderstand(f *testing.F) {
	for i, k := range All() {
		for _, s := range k.Samples {
			if s.Answer != nil {
				f.Add(i, []byte(*s.Answer))
			}
		}
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		k := All()[uint(i)%uint(len(All()))]
		if k.Ask == nil {
			return
		}
		if auth, version, ok := k.Ask.Understand(b); !ok && (auth != "" || version != "") || !strings.Contains(strings.Join(auths, " "), auth) {
			t.Errorf("%s: %q %q %v of %q", k.Name, auth, version, ok, b)
		}
	})
}

// Files of settings are hostile bytes, too.
func FuzzFormats(f *testing.F) {
	for format := range Formats {
		for _, k := range All() {
			for _, s := range k.Samples {
				for _, text := range s.Files {
					f.Add(format, []byte(text))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, format string, b []byte) {
		if Formats[format] == nil || len(b) > 4096 {
			return
		}
		s, _ := Formats[format](b)
		for _, x := range s {
			if x.From != "file" || x.Name == "" {
				t.Errorf("%s: %+v of %q", format, x, b)
			}
		}
	})
}
