package respond

import (
	"strings"

	"demine/internal/fact"
	"demine/internal/format/redisconf"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisLine is a directive in a server's file that gets another value.
type redisLine struct {
	Server redisServer `json:"server"`
	File   fact.Path   `json:"file"`
	Name   string      `json:"name"`
	To     string      `json:"to"`
}

// redisProtectConfigs takes back the permission to change at run time where
// Redis saves. The setting is read at the start only.
var redisProtectConfigs = editing[redisLine]{
	name: "redis.protect-configs", phase: Harden, plan: planRedisProtect, shared: true,
	path: func(w redisLine) fact.Path { return w.File },
	find: findRedisLine,
	done: redisLineDone,
}.action()

func redisLineDone(w redisLine, _ []lineEdit) i18n.Message {
	return i18n.M("outcome.redis-line", "name", w.Name, "to", w.To, "path", w.File)
}

// redisBind lets it listen on some addresses only.
var redisBind = editing[redisLine]{
	name: "redis.bind", phase: Harden, shared: true,
	path: func(w redisLine) fact.Path { return w.File },
	find: findRedisLine,
	done: redisLineDone,
}.action()

// findRedisLine gives the edit of the directive's last line in the file, the
// one that counts. ErrNothing: it says so already.
func findRedisLine(h *host.Host, w redisLine, p fact.Path, text []byte) ([]lineEdit, error) {
	lines := splitLines(text)
	last, has := 0, ""
	for _, d := range redisconf.Parse(text) {
		if d.Name == w.Name {
			last, has = d.Line, strings.Join(d.Args, " ")
		}
	}
	if err := w.onlyHere(h, p); err != nil {
		return nil, err
	}
	switch {
	case last > 0 && has == w.To:
		return nil, ErrNothing
	case last > 0:
		line := lines[last-1]
		return []lineEdit{{N: last, SHA256: sumHex(line), Instead: w.instead(line)}}, nil
	case len(lines) == 0:
		return nil, Refuse("refuse.redis-config-unread")
	}
	line := lines[len(lines)-1]
	whole := append(append([]byte{}, line...), "\n"...)
	if len(lineEnd(line)) > 0 {
		whole = whole[:len(line)]
	}
	return []lineEdit{{N: len(lines), SHA256: sumHex(line), Instead: append(whole, w.Name+" "+w.To+"\n"...)}}, nil
}

// instead keeps the blanks before the directive and the end of the line.
func (w redisLine) instead(line []byte) []byte {
	s := string(line)
	start := len(s) - len(strings.TrimLeft(s, " \t"))
	word := s[start:]
	if i := strings.IndexAny(word, " \t\r\n"); i >= 0 {
		word = word[:i]
	}
	return []byte(s[:start] + word + " " + w.To + string(lineEnd(line)))
}

// onlyHere refuses to edit one of several places that say it: the command line
// and another file may count more.
func (w redisLine) onlyHere(h *host.Host, p fact.Path) error {
	t := readRedisTruth(h, w.Server, "")
	if _, ok := t.argv[w.Name]; ok {
		return Refuse("refuse.redis-argv", "setting", w.Name, "unit", w.Server.Unit)
	}
	if t.unclear {
		return Refuse("refuse.redis-config-unread")
	}
	for _, f := range t.files {
		real, err := realPath(h, f)
		if err != nil {
			return err
		}
		if real == p {
			continue
		}
		b, _, err := h.Files.ReadFile(f, maxRedisConf)
		if err != nil {
			return err
		}
		for _, d := range redisconf.Parse(b) {
			if d.Name == w.Name {
				return Refuse("refuse.redis-elsewhere", "setting", w.Name, "path", f)
			}
		}
	}
	return nil
}
