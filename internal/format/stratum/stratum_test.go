package stratum

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

const (
	login = `> {"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"48wallet.rig","pass":"S3cret","agent":"XMRig/6.21","algo":["rx/0"]}}`
	first = `< {"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"a1","job":{"blob":"0e0e","job_id":"7","target":"b88d0600","algo":"rx/0"},"status":"OK"}}`
	job   = `< {"jsonrpc":"2.0","method":"job","params":{"blob":"0e0e","job_id":"8","target":"b88d0600","height":3}}`
	share = `> {"id":2,"jsonrpc":"2.0","method":"submit","params":{"id":"a1","job_id":"8","nonce":"d0030040","result":"e1364b87"}}`
	taken = `< {"id":2,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}`
	alive = `> {"id":3,"jsonrpc":"2.0","method":"keepalived","params":{"id":"a1"}}`
	yes   = `< {"id":3,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}`

	subscribe = `> {"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}`
	authorize = `> {"id": 2, "method": "mining.authorize", "params": ["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.w1", "S3cret"]}`
	notify    = `< {"id": null, "method": "mining.notify", "params": ["bf", "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000", "01", "ff", [], "00000002", "1c2ac4af", "504e86b9", false]}`
	harder    = `< {"id": null, "method": "mining.set_difficulty", "params": [2]}`
	found     = `> {"id": 4, "method": "mining.submit", "params": ["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.w1", "bf", "00000001", "504e86ed", "b2957c02"]}`
	accepted  = `< {"error": null, "id": 4, "result": true}`
)

func wallets(ws ...string) (out []fact.Indicator) {
	for _, w := range ws {
		out = append(out, fact.Indicator{Kind: "wallet", Value: w})
	}
	return out
}

// talk turns lines with > (sent) and < (received) into a Stream.
func talk(s *Stream, lines ...string) {
	var seq [2]uint32
	for _, l := range lines {
		i := 0
		if l[0] == '>' {
			i = 1
		}
		data := []byte(l[2:] + "\n")
		s.Feed(i == 1, seq[i], data)
		seq[i] += uint32(len(data))
	}
}

func TestHeard(t *testing.T) {
	monero := []string{login, first, job, share, taken, alive, yes}
	bitcoin := []string{subscribe, `< {"id":1,"result":[[["mining.notify","ae68"]],"08000002",4],"error":null}`, authorize, harder, notify, found, accepted}
	for name, c := range map[string]struct {
		lines []string
		want  Heard
	}{
		"monero":                {monero, Heard{Monero, Client, []string{"login", "job", "submit", "result", "keepalived"}, 3, 4, wallets("48wallet.rig")}},
		"monero, the other end": {turned(monero), Heard{Monero, Server, []string{"login", "job", "submit", "result", "keepalived"}, 4, 3, nil}},
		"monero, joined late":   {[]string{job, share, taken}, Heard{Monero, Client, []string{"job", "submit", "result"}, 1, 2, nil}},
		"monero, only a ping":   {[]string{alive, yes}, Heard{Monero, Client, []string{"keepalived", "result"}, 1, 1, nil}},
		"monero, only jobs":     {[]string{job, job}, Heard{Monero, "", []string{"job"}, 0, 2, nil}},
		"bitcoin": {bitcoin, Heard{Bitcoin, Client,
			[]string{"mining.subscribe", "result", "mining.authorize", "mining.set_difficulty", "mining.notify", "mining.submit"},
			3, 4, wallets("1BoatSLRHtKNngkdXEeobR76b53LETtpyT.w1")}},
		"nicehash": {[]string{`> {"id":1,"method":"mining.subscribe","params":["MinerName/1.0.0","EthereumStratum/1.0.0"]}`,
			`< {"id":1,"result":[["mining.notify","ae68","EthereumStratum/1.0.0"],"080c"],"error":null}`, notify},
			Heard{Ethereum, Client, []string{"mining.subscribe", "result", "mining.notify"}, 1, 2, nil}},
		"ethproxy": {[]string{`> {"worker":"r1","jsonrpc":"2.0","params":["0x00192Fb10dF37c9FB26829eb2CC623cd1BF599E8","x"],"id":2,"method":"eth_submitLogin"}`,
			`< {"id":2,"jsonrpc":"2.0","result":true}`, `> {"id":3,"method":"eth_getWork","params":[]}`},
			Heard{Ethproxy, Client, []string{"eth_submitLogin", "result", "eth_getWork"}, 2, 1, wallets("0x00192Fb10dF37c9FB26829eb2CC623cd1BF599E8")}},
		"a node, over HTTP": {[]string{"> POST /json_rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 92\r\n\r\n" +
			`{"id":1,"jsonrpc":"2.0","method":"getblocktemplate","params":{"wallet_address":"4x","reserve_size":60}}`,
			"< HTTP/1.1 200 Ok\r\n\r\n" + `{"id":1,"jsonrpc":"2.0","result":{"blocktemplate_blob":"0e0e"}}`},
			Heard{Daemon, Client, []string{"getblocktemplate", "result"}, 1, 1, nil}},
		"an echo": {[]string{turn(subscribe), subscribe, turn(authorize), authorize},
			Heard{Bitcoin, "", []string{"mining.subscribe", "mining.authorize"}, 2, 2, nil}},
		"only told from outside": {[]string{notify, harder}, Heard{Bitcoin, "", []string{"mining.notify", "mining.set_difficulty"}, 0, 2, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			var s Stream
			talk(&s, c.lines...)
			got, ok := s.Heard()
			if d := cmp.Diff(c.want, got); d != "" || !ok {
				t.Errorf("ok %v (-want +got):\n%s", ok, d)
			}
		})
	}
}

func turned(lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, turn(l))
	}
	return out
}

func turn(l string) string { return strings.NewReplacer(">", "<", "<", ">").Replace(l[:1]) + l[1:] }

// What others say must not be taken for it.
func TestOthers(t *testing.T) {
	for name, lines := range map[string][]string{
		"an exchange and its node": {`> {"jsonrpc":"1.0","id":"ex","method":"getbalance","params":[]}`, `< {"result":1.5,"error":null,"id":"ex"}`,
			`> {"jsonrpc":"1.0","id":"ex","method":"sendtoaddress","params":["1Boat",0.1]}`, `> {"method":"getmininginfo","params":[],"id":2}`},
		"an Ethereum node": {`> {"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":1}`, `< {"jsonrpc":"2.0","id":1,"result":"0x10"}`,
			`> {"jsonrpc":"2.0","method":"eth_getBlockByNumber","params":["latest",true],"id":2}`, `> {"jsonrpc":"2.0","method":"eth_mining","id":3}`},
		"a web login":      {`> {"id":1,"method":"login","params":{"login":"bob","pass":"x"}}`, `< {"id":1,"result":{"status":"OK","token":"t"}}`},
		"a router's login": {`> {"id":1,"method":"login","params":["root","pw"]}`, `< {"id":1,"result":"0123"}`},
		"a queue of jobs":  {`> {"id":1,"method":"submit","params":{"job":"resize","args":[1]}}`, `< {"method":"job","params":{"job_id":7,"state":"done"}}`},
		"a language server": {"> Content-Length: 60\r\n\r\n" + `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":1}}`,
			`< {"jsonrpc":"2.0","id":1,"result":{"capabilities":{}}}`},
		"a page about it": {"< HTTP/1.1 200 OK\r\n\r\n<pre>the client sends mining.subscribe, then mining.authorize</pre>"},
		"redis":           {"> *2\r\n$3\r\nGET\r\n$5\r\nlogin\r\n", "< $2\r\n{}\r\n"},
		"mqtt":            {"> \x10\x16\x00\x04MQTT\x04\x02\x00\x3c\x00\x0acid{\"x\":1}"},
		"a chat about it": {`> {"id":1,"method":"say","params":{"text":"{\"method\":\"mining.subscribe\"}"}}`},
	} {
		var s Stream
		talk(&s, lines...)
		if h, ok := s.Heard(); ok {
			t.Errorf("%s: taken for %v", name, h)
		}
	}
}

// A password is never kept.
func TestNoPassword(t *testing.T) {
	var s Stream
	talk(&s, login, first, subscribe, authorize)
	h, _ := s.Heard()
	for _, i := range append(h.Indicators, s.names...) {
		if strings.Contains(i.Value, "S3cret") {
			t.Errorf("kept: %v", i)
		}
	}
}

// Segments come in pieces, twice, cut, and with some missing.
func TestSegments(t *testing.T) {
	text := []byte(strings.TrimPrefix(share, "> ") + "\n")
	for cut := range text {
		var s Stream
		s.Feed(true, 0xfffffff0, text[:cut]) // the numbers wrap in the middle
		s.Feed(true, 0xfffffff0, text[:cut])
		s.Feed(true, 0xfffffff0+uint32(cut)/2, text[cut/2:])
		if h, ok := s.Heard(); !ok || h.Sent != 1 {
			t.Fatalf("cut at %d: %v %v", cut, h, ok)
		}
	}
	var s Stream
	s.Feed(true, 100, []byte(`84","job_id":"8{","nonce":"1"}}`+"\n")) // heard from the middle on
	s.Feed(true, 131, text[:20])
	s.Feed(true, 9000, []byte(`84"}}`+"\n")) // what is between is lost
	s.Feed(true, 9006, append([]byte("\x00\xff{\x01{{"), text...))
	if h, ok := s.Heard(); !ok || h.Sent != 1 {
		t.Errorf("%v %v", h, ok)
	}
}

func FuzzStream(f *testing.F) {
	for _, l := range []string{login, first, job, share, taken, subscribe, authorize, notify, accepted, `{{{`, "{\"method\":\"mining.notify\"}\xff{\""} {
		f.Add([]byte(l+"\n"+turn(login)), uint16(7), uint32(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, seq uint32) {
		n := min(int(cut), len(b))
		var whole, parts Stream
		whole.Feed(true, seq, b)
		parts.Feed(true, seq, b[:n])
		parts.Feed(true, seq+uint32(n), b[n:])
		one, ok1 := whole.Heard()
		two, ok2 := parts.Heard()
		if d := cmp.Diff(one, two); d != "" || ok1 != ok2 {
			t.Errorf("in one piece and in two (-one +two):\n%s", d)
		}
		parts.Feed(false, 0, b)
		for i := range parts.ways {
			if len(parts.ways[i].object) > maxObject {
				t.Errorf("%d bytes are kept", len(parts.ways[i].object))
			}
		}
	})
}
