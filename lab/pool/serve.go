package pool

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"time"
)

// every is how often the stub has another job. A pool has one when a block is found; here a short look shall hear some.
const every = 2 * time.Second

// Serve answers miners in the dialect they speak until the listener fails.
func Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			answer(c)
		}()
	}
}

type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

func answer(c net.Conn) {
	lines := make(chan string)
	done := make(chan struct{})
	defer close(done)
	go read(c, lines, done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	dialect := ""
	for n := 1; ; n++ {
		say := ""
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			var r request
			if json.Unmarshal([]byte(line), &r) != nil {
				return
			}
			dialect, say = reply(dialect, r, n)
		case <-tick.C:
			say = job(dialect, n)
		}
		if _, err := c.Write([]byte(say)); err != nil {
			return
		}
	}
}

func read(c net.Conn, lines chan<- string, done <-chan struct{}) {
	defer close(lines)
	for s := bufio.NewScanner(c); s.Scan(); {
		select {
		case lines <- s.Text():
		case <-done:
			return
		}
	}
}

// reply answers one request; the first one tells the dialect.
func reply(dialect string, r request, n int) (string, string) {
	switch r.Method {
	case "login":
		return Monero, fmt.Sprintf(`{"id":%s,"jsonrpc":"2.0","error":null,"result":{"id":"lab","job":%s,"extensions":["algo","keepalive"],"status":"OK"}}`+"\n", r.ID, work(n))
	case "submit":
		return Monero, fmt.Sprintf(`{"id":%s,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}`+"\n", r.ID)
	case "keepalived":
		return Monero, fmt.Sprintf(`{"id":%s,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}`+"\n", r.ID)
	case "mining.subscribe":
		return Bitcoin, fmt.Sprintf(`{"id":%s,"result":[[["mining.set_difficulty","1"],["mining.notify","ae68"]],"f8002c90",4],"error":null}`+"\n", r.ID) +
			`{"id":null,"method":"mining.set_difficulty","params":[512]}` + "\n" + job(Bitcoin, n)
	case "mining.authorize", "mining.submit":
		return Bitcoin, fmt.Sprintf(`{"id":%s,"result":true,"error":null}`+"\n", r.ID)
	}
	return dialect, fmt.Sprintf(`{"id":%s,"error":{"code":-1,"message":"Invalid method"}}`+"\n", r.ID)
}

func work(n int) string {
	return fmt.Sprintf(`{"blob":"%s","job_id":"%08x","target":"b88d0600","algo":"rx/0","height":3290000,"seed_hash":"%s"}`, blob, n, seedHash)
}

// job is what the stub says unasked. Before it knows the dialect it says nothing.
func job(dialect string, n int) string {
	switch dialect {
	case Monero:
		return `{"jsonrpc":"2.0","method":"job","params":` + work(n) + "}\n"
	case Bitcoin:
		return fmt.Sprintf(`{"id":null,"method":"mining.notify","params":["%x","%s","01000000","ffffffff",[],"20000000","1d00ffff","6745ac00",true]}`+"\n", n, seedHash)
	}
	return ""
}

// Certificate makes one that nobody vouches for, as pools have them.
func Certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0), DNSNames: []string{"pool.invalid"}}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, err
}
