package pool

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Account is who asks a pool for work, and how.
type Account struct {
	Pool     string // host:port
	TLS      bool
	Dialect  string
	User     string // a wallet, or whatever a proxy wants
	Password string
}

// pause is between two results, and before a lost pool is tried again.
const pause = time.Second

// Mine talks to the pool as a miner does, for ever: it logs in, takes jobs and sends results that are made up.
func (a Account) Mine(ctx context.Context) {
	for ctx.Err() == nil {
		if c, err := a.dial(ctx); err == nil {
			_ = a.talk(c) // a pool that hangs up is called again
			c.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (a Account) dial(ctx context.Context) (net.Conn, error) {
	if a.TLS {
		return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", a.Pool) // miners do not verify either
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.Pool)
}

func (a Account) talk(c net.Conn) error {
	if _, err := io.WriteString(c, a.login()); err != nil {
		return err
	}
	closed := make(chan error, 1)
	go func() {
		s := bufio.NewScanner(c)
		for s.Scan() {
		}
		closed <- s.Err()
	}()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 10; ; n++ {
		select {
		case err := <-closed:
			return err
		case <-tick.C:
			if _, err := io.WriteString(c, a.result(n)); err != nil {
				return err
			}
		}
	}
}

func (a Account) login() string {
	if a.Dialect == Bitcoin {
		return `{"id":1,"method":"mining.subscribe","params":["cpuminer/2.5.1"]}` + "\n" +
			fmt.Sprintf(`{"id":2,"method":"mining.authorize","params":["%s","%s"]}`+"\n", a.User, a.Password)
	}
	return fmt.Sprintf(`{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"%s","pass":"%s","agent":"lab/1.0","algo":["rx/0"]}}`+"\n", a.User, a.Password)
}

func (a Account) result(n int) string {
	if a.Dialect == Bitcoin {
		return fmt.Sprintf(`{"id":%d,"method":"mining.submit","params":["%s","1","00000001","6745ac00","%08x"]}`+"\n", n, a.User, n)
	}
	return fmt.Sprintf(`{"id":%d,"jsonrpc":"2.0","method":"submit","params":{"id":"lab","job_id":"00000001","nonce":"%08x","result":"%s"}}`+"\n",
		n, n, strings.Repeat("00", 32))
}

// Words are what a miner says first, for a capture.
func (a Account) Words() string { return a.login() + a.result(10) }
