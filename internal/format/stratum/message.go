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
}

var methods = map[string]method{
	"login":      {Monero, Client, true},
	"submit":     {Monero, Client, false},
	"keepalived": {Monero, Client, false},
	"job":        {Monero, Server, false},

	"mining.subscribe":            {Bitcoin, Client, false},
	"mining.authorize":            {Bitcoin, Client, false},
	"mining.submit":               {Bitcoin, Client, false},
	"mining.configure":            {Bitcoin, Client, false},
	"mining.extranonce.subscribe": {Bitcoin, Client, false},
	"mining.suggest_difficulty":   {Bitcoin, Client, false},
	"mining.suggest_target":       {Bitcoin, Client, false},
	"mining.hello":                {Bitcoin, Client, false},
	"mining.notify":               {Bitcoin, Server, false},
	"mining.set_difficulty":       {Bitcoin, Server, false},
	"mining.set_target":           {Bitcoin, Server, false},
	"mining.set_extranonce":       {Bitcoin, Server, false},
	"mining.set_version_mask":     {Bitcoin, Server, false},

	"eth_submitLogin":    {Ethproxy, Client, false},
	"eth_getWork":        {Ethproxy, Client, false},
	"eth_submitWork":     {Ethproxy, Client, false},
	"eth_submitHashrate": {Ethproxy, Client, false},

	"getblocktemplate":   {Daemon, Client, false},
	"submitblock":        {Daemon, Client, false},
	"get_block_template": {Daemon, Client, false},
	"submit_block":       {Daemon, Client, false},
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
	known, ok := methods[m.Method]
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
			s.say(sent, "job", method{Monero, Server, false})
			return
		case r.Status == "KEEPALIVED":
			s.say(sent, answer, method{Monero, Server, false})
			return
		}
	}
	for i, q := range s.pending {
		if q.id == string(m.ID) && q.sent != sent {
			of := methods[q.name]
			s.say(sent, answer, method{of.dialect, Server, of.weak})
			s.pending = slices.Delete(s.pending, i, i+1)
			return
		}
	}
}

// name keeps for whom is mined, as it is said. Passwords stay unread.
func (s *Stream) name(m *message) {
	var who string
	switch m.Method {
	case "login":
		var p struct {
			Login string `json:"login"`
		}
		_ = json.Unmarshal(m.Params, &p)
		who = p.Login
	case "mining.authorize", "mining.submit", "eth_submitLogin":
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
