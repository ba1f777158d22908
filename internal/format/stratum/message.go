package stratum

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"demine/internal/fact"
)

// method is what is known of a word of the protocol.
type method struct {
	dialect string
	from    string // who says it: Client, Server
	weak    bool   // other software says it too
	names   bool   // its first parameter says for whom is mined
}

// family is the words that begin alike. They stand here in two parts: a program
// in which they stand whole is taken for a miner, by demine too.
type family struct {
	prefix string
	rest   map[string]method
}

var families = []family{
	{"mining.", map[string]method{
		"subscribe":            {Bitcoin, Client, false, false},
		"authorize":            {Bitcoin, Client, false, true},
		"submit":               {Bitcoin, Client, false, true},
		"configure":            {Bitcoin, Client, false, false},
		"extranonce.subscribe": {Bitcoin, Client, false, false},
		"suggest_difficulty":   {Bitcoin, Client, false, false},
		"suggest_target":       {Bitcoin, Client, false, false},
		"hello":                {Bitcoin, Client, false, false},
		"notify":               {Bitcoin, Server, false, false},
		"set_difficulty":       {Bitcoin, Server, false, false},
		"set_target":           {Bitcoin, Server, false, false},
		"set_extranonce":       {Bitcoin, Server, false, false},
		"set_version_mask":     {Bitcoin, Server, false, false},
	}},
	{"eth_", map[string]method{
		"submitLogin":    {Ethproxy, Client, false, true},
		"getWork":        {Ethproxy, Client, false, false},
		"submitWork":     {Ethproxy, Client, false, false},
		"submitHashrate": {Ethproxy, Client, false, false},
	}},
	{"", map[string]method{
		"login":              {Monero, Client, true, false},
		"submit":             {Monero, Client, false, false},
		"keepalived":         {Monero, Client, false, false},
		"job":                {Monero, Server, false, false},
		"getblocktemplate":   {Daemon, Client, false, false},
		"submitblock":        {Daemon, Client, false, false},
		"get_block_template": {Daemon, Client, false, false},
		"submit_block":       {Daemon, Client, false, false},
	}},
}

// lookup finds what is known of a word.
func lookup(word string) (method, bool) {
	for _, f := range families {
		if rest, ok := strings.CutPrefix(word, f.prefix); ok {
			if m, ok := f.rest[rest]; ok {
				return m, true
			}
		}
	}
	return method{}, false
}

// answer is the word for a reply to a request that was heard.
const answer = "result"

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func (s *Stream) message(sent bool, object []byte) {
	if !bytes.Contains(object, []byte(`"method"`)) && !bytes.Contains(object, []byte(`"result"`)) {
		return
	}
	var m message
	if json.Unmarshal(object, &m) != nil {
		return
	}
	if bytes.Contains(object, []byte(`"EthereumStratum/`)) {
		s.ether = true
	}
	if m.Method == "" {
		s.reply(sent, &m)
		return
	}
	known, ok := lookup(m.Method)
	if !ok || !shaped(&m) {
		return
	}
	s.say(sent, m.Method, known)
	if known.from == Client {
		s.await(request{id: string(m.ID), name: m.Method, sent: sent})
		if sent {
			s.name(&m)
		}
	}
}

// shaped reports whether the parameters are those of the protocol, where the
// method's name is one that others use too.
func shaped(m *message) bool {
	var p map[string]json.RawMessage
	switch m.Method {
	case "login", "submit", "keepalived", "job":
		if json.Unmarshal(m.Params, &p) != nil {
			return false
		}
	}
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(k string) bool { return len(p[k]) == 0 })
	}
	switch m.Method {
	case "login":
		return has("login", "pass") || has("login", "agent")
	case "submit":
		return has("job_id", "nonce", "result")
	case "keepalived":
		return has("id")
	case "job":
		return isJob(p)
	}
	return true
}

func isJob(p map[string]json.RawMessage) bool {
	return len(p["job_id"]) > 0 && len(p["blob"]) > 0 && len(p["target"]) > 0
}

func (s *Stream) await(r request) {
	if r.id == "" || r.id == "null" || len(r.id) > maxID {
		return
	}
	if len(s.pending) == maxPending {
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, r)
}

// reply takes a message without a method: the first job comes with the answer
// to the login, other answers count when their request was heard.
func (s *Stream) reply(sent bool, m *message) {
	var r struct {
		Job    map[string]json.RawMessage `json:"job"`
		Status string                     `json:"status"`
	}
	if json.Unmarshal(m.Result, &r) == nil {
		switch {
		case isJob(r.Job):
			s.say(sent, "job", method{Monero, Server, false, false})
			return
		case r.Status == "KEEPALIVED":
			s.say(sent, answer, method{Monero, Server, false, false})
			return
		}
	}
	for i, q := range s.pending {
		if q.id == string(m.ID) && q.sent != sent {
			of, _ := lookup(q.name)
			s.say(sent, answer, method{of.dialect, Server, of.weak, false})
			s.pending = slices.Delete(s.pending, i, i+1)
			return
		}
	}
}

// name keeps for whom is mined, as it is said. Passwords stay unread.
func (s *Stream) name(m *message) {
	var who string
	known, _ := lookup(m.Method)
	switch {
	case m.Method == "login":
		var p struct {
			Login string `json:"login"`
		}
		_ = json.Unmarshal(m.Params, &p)
		who = p.Login
	case known.names:
		var p []json.RawMessage
		if json.Unmarshal(m.Params, &p) == nil && len(p) > 0 {
			_ = json.Unmarshal(p[0], &who)
		}
	}
	if who == "" || len(who) > maxName || strings.ContainsFunc(who, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return
	}
	i := fact.Indicator{Kind: "wallet", Value: who}
	if len(s.names) < maxIndicators && !slices.Contains(s.names, i) {
		s.names = append(s.names, i)
	}
}
