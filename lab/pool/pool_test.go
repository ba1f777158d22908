package pool

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spoken are the methods of the first lines that are read from c, and hangs up.
func spoken(t *testing.T, c net.Conn, lines int) (methods []string) {
	t.Helper()
	defer c.Close()
	s := bufio.NewScanner(c)
	for range lines {
		if !s.Scan() {
			t.Fatalf("it fell silent after %q", methods)
		}
		var m struct {
			Method string
			Result json.RawMessage
		}
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		if m.Result != nil {
			m.Method = "result"
		}
		methods = append(methods, m.Method)
	}
	return methods
}

// A miner logs in and then sends results; a stub answers and has jobs, the second of them unasked.
func TestDialects(t *testing.T) {
	for _, c := range []struct {
		dialect      string
		miner, stub  []string
		wantsAccount string
	}{
		{Monero, []string{"login", "submit", "submit"}, []string{"result", "job"}, `"login":"me"`},
		{Bitcoin, []string{"mining.subscribe", "mining.authorize", "mining.submit"},
			[]string{"result", "mining.set_difficulty", "mining.notify", "result", "mining.notify"}, `["me","x"]`},
	} {
		t.Run(c.dialect, func(t *testing.T) {
			a := Account{Dialect: c.dialect, User: "me", Password: "x"}
			if !strings.Contains(a.login(), c.wantsAccount) {
				t.Errorf("login %s, want %s", a.login(), c.wantsAccount)
			}
			miner, pool := net.Pipe()
			go func() { _ = a.talk(miner) }()
			if d := cmp.Diff(c.miner, spoken(t, pool, len(c.miner))); d != "" {
				t.Errorf("the miner: -want +got\n%s", d)
			}
			miner, pool = net.Pipe()
			go answer(pool)
			go func() { _, _ = io.WriteString(miner, a.login()) }()
			if d := cmp.Diff(c.stub, spoken(t, miner, len(c.stub))); d != "" {
				t.Errorf("the stub: -want +got\n%s", d)
			}
		})
	}
}

// What is no request of a miner ends the conversation, or is refused.
func TestOthersRefused(t *testing.T) {
	for line, want := range map[string]string{"GET / HTTP/1.1": "", `{"id":7,"method":"eth_blockNumber"}`: "Invalid method"} {
		other, pool := net.Pipe()
		go func() {
			answer(pool)
			pool.Close()
		}()
		go func() {
			_, _ = io.WriteString(other, line+"\n")
		}()
		got, _ := bufio.NewReader(other).ReadString('\n')
		if !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: the stub says %q, want %q", line, got, want)
		}
		other.Close()
	}
}
