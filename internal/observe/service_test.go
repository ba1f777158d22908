package observe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/host"
	"demine/internal/host/fixture"
	"demine/services"
)

// answering is a kernel on which a server says the same to everyone.
type answering struct {
	host.Kernel
	answer *string
	asked  atomic.Int32
	said   chan string // the requests

	secured *tls.Config // it speaks TLS
}

func (a *answering) Dial(context.Context, string, string) (net.Conn, error) {
	a.asked.Add(1)
	if a.answer == nil {
		return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("connection refused")}
	}
	here, there := net.Pipe()
	if a.secured != nil { // both sides may speak at once
		here, there = connected()
	}
	go func() {
		defer there.Close()
		var client net.Conn = there
		if a.secured != nil {
			client = tls.Server(there, a.secured)
		}
		buf := make([]byte, 4096)
		n, _ := client.Read(buf)
		a.said <- string(buf[:n])
		if *a.answer != "" { // an empty write to a pipe waits for a reader
			_, _ = io.WriteString(client, *a.answer)
		}
	}()
	return here, nil
}

// connected are the two ends of a connection with room for what is not read yet.
func connected() (here, there net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err == nil {
		there, err = l.Accept()
	}
	if err != nil {
		panic(err)
	}
	return here, there
}

// serviceHost is a host on which one server listens.
func serviceHost(t *testing.T, k *services.Service, s services.Sample) (*host.Host, fact.Snapshot, *answering) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "-- /proc/10/environ enc=go --\nPASSWORD=hunter2\\x00")
	for name, value := range s.Env {
		fmt.Fprintf(&text, "%s=%s\\x00", name, value)
	}
	text.WriteString("\n")
	for name, b := range s.Files {
		fmt.Fprintf(&text, "-- %s --\n%s\n", name, strings.TrimSuffix(b, "\n"))
	}
	h, err := fixture.Parse([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	kernel := &answering{Kernel: h.Kernel, answer: s.Answer, said: make(chan string, 8)}
	h.Kernel = kernel
	base := initAnd(
		fact.Process{Ref: "process:10", PID: 10, PPID: 1, Comm: clip(s.Exe, 15), Exe: "/usr/bin/" + fact.Path(s.Exe), Cwd: "/srv/app",
			Argv: mask.Argv(s.Argv), Sockets: []uint64{5}, NetNS: 1},
		fact.Process{Ref: "process:99", PID: 99, Comm: "demine", NetNS: 1},
	)
	if services.OfKernel(s.Exe) != nil {
		base.Process[1].Kernel, base.Process[1].Exe, base.Process[1].Sockets = true, "", nil
	}
	base.Host.Self = 99
	base.Socket = []fact.Socket{{
		Ref: "socket:5", Inode: 5, Port: append(slices.Clone(k.Ports), 4000)[0], Local: netip.MustParseAddr("0.0.0.0"), State: "LISTEN", NetNS: 1,
	}}
	return h, base, kernel
}

// Every service has samples, and each of its samples is told as it says. What is
// sent is what the file says, once, and nothing that is masked is shown.
func TestServiceSamples(t *testing.T) {
	for _, k := range services.All() {
		if len(k.Samples) < 2 {
			t.Errorf("%s: %d samples", k.Name, len(k.Samples))
		}
		for _, s := range k.Samples {
			t.Run(k.Name+"/"+s.Name, func(t *testing.T) { checkSample(t, k, s) })
		}
	}
}

func checkSample(t *testing.T, k *services.Service, s services.Sample) {
	h, base, kernel := serviceHost(t, k, s)
	if overTLS[k.Name+"/"+s.Name] {
		kernel.secured = serverTLS(t)
	}
	snap, c := lookAtHost(t, h, base, service)
	if len(snap.Service) != 1 {
		t.Fatalf("%d services, %+v", len(snap.Service), c)
	}
	got := snap.Service[0]
	if got.Name != k.Name || got.Auth != s.Auth || got.AuthBy != s.By || got.Version != s.Version || got.Secret.Weak != s.Weak {
		t.Errorf("%s: %s by %q, version %q, weak %v; settings %+v; gaps %v %+v", got.Name, got.Auth, got.AuthBy, got.Version, got.Secret.Weak,
			got.Settings, got.Gaps, c.Gaps)
	}
	if s.Answer != nil && k.Ask != nil {
		if said := <-kernel.said; kernel.asked.Load() != 1 || said != string(k.Ask.Request(fmt.Sprintf("127.0.0.1:%d", base.Socket[0].Port))) {
			t.Errorf("asked %d times: %q", kernel.asked.Load(), said)
		}
	}
	for _, x := range got.Settings {
		if k.Settings[x.Name].Secret && x.Value != "" && x.Value != mask.Hidden {
			t.Errorf("%s is shown", x.Name)
		}
	}
}

// Nobody is asked who must not be: in another network namespace, or when told
// not to; it is said, and the settings tell what they can.
func TestServiceIsNotAsked(t *testing.T) {
	answer := "VERSION 1.6\r\n"
	k := services.Of("memcached", nil)
	for name, c := range map[string]struct {
		change func(*fact.Snapshot)
		sc     Scope
		gap    string
		state  fact.State
	}{
		"told not to":       {func(*fact.Snapshot) {}, Scope{NoProbe: true}, "not-asked", fact.Partial},
		"another host":      {func(s *fact.Snapshot) { s.Socket[0].Local = netip.MustParseAddr("192.0.2.1") }, Scope{}, "not-asked", fact.Seen},
		"another namespace": {func(s *fact.Snapshot) { s.Process[1].NetNS = 7 }, Scope{}, "other-namespace", fact.Seen},
	} {
		h, base, kernel := serviceHost(t, k, services.Sample{Exe: "memcached", Argv: []string{"memcached"}, Answer: &answer})
		c.change(&base)
		s := Run(context.Background(), h, []*Observer{service}, c.sc, &base)
		got := s.Service[0]
		if kernel.asked.Load() != 0 || got.Auth != "none" || got.AuthBy != "argv" || !slices.Contains(got.Gaps, c.gap) || s.Coverage[0].State != c.state {
			t.Errorf("%s: asked %d, %+v, %+v", name, kernel.asked.Load(), got, s.Coverage[0])
		}
	}
}

// What a server answers, or is set to, is true of the ports that it is about.
func TestAuthAt(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"1.8.7\"}"
	for name, c := range map[string]struct {
		sample services.Sample
		ports  []int
		want   []int
	}{
		"asked at one":      {services.Sample{Exe: "consul", Argv: []string{"consul", "agent"}, Answer: &answer}, []int{8500, 8301, 8300}, []int{8500}},
		"a swarm":           {services.Sample{Exe: "dockerd", Argv: []string{"dockerd", "-H", "tcp://127.0.0.1:2375"}}, []int{2375, 2377, 7946}, []int{2375}},
		"set to a port":     {services.Sample{Exe: "dockerd", Argv: []string{"dockerd", "-H", "tcp://0.0.0.0:4000"}}, []int{4000, 2377}, []int{4000}},
		"the only one":      {services.Sample{Exe: "mongod", Argv: []string{"mongod"}}, []int{4711}, []int{4711}},
		"one insecure port": {services.Sample{Exe: "kube-apiserver", Argv: []string{"kube-apiserver", "--address=0.0.0.0", "--port=8080"}}, []int{6443, 8080}, []int{8080}},
		"nobody knows":      {services.Sample{Exe: "memcached", Argv: []string{"memcached"}}, []int{1, 2}, nil},
	} {
		h, base, _ := serviceHost(t, services.Of(c.sample.Exe, c.sample.Argv), c.sample)
		base.Socket = base.Socket[:0]
		base.Process[1].Sockets = nil
		for _, port := range c.ports {
			base.Process[1].Sockets = append(base.Process[1].Sockets, uint64(port))
			base.Socket = append(base.Socket, fact.Socket{Inode: uint64(port), Port: port, Local: netip.MustParseAddr("0.0.0.0"), State: "LISTEN", NetNS: 1})
		}
		s, _ := lookAtHost(t, h, base, service)
		if got := s.Service[0]; !slices.Equal(got.AuthAt, c.want) {
			t.Errorf("%s: %s at %v, want %v", name, got.Auth, got.AuthAt, c.want)
		}
	}
}

// A worker is not a server of its own, nor is one that listens nowhere.
func TestServersAreTold(t *testing.T) {
	h, base, _ := serviceHost(t, services.Of("memcached", nil), services.Sample{Exe: "memcached", Argv: []string{"memcached"}})
	base.Process = append(base.Process,
		fact.Process{Ref: "process:11", PID: 11, PPID: 10, Exe: "/usr/bin/memcached", Sockets: []uint64{5}},
		fact.Process{Ref: "process:12", PID: 12, PPID: 1, Exe: "/usr/bin/memcached", Sockets: []uint64{6}},
		fact.Process{Ref: "process:13", PID: 13, PPID: 1, Comm: "memcached", Gaps: []string{"exe", "sockets"}},
	)
	s, _ := lookAtHost(t, h, base, service)
	var got []string
	for _, x := range s.Service {
		got = append(got, string(x.Ref))
	}
	if want := []string{"service:memcached:0.0.0.0:11211", "service:memcached:13"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// One that takes connections and never answers, or never stops, is let go.
func TestServiceThatHangs(t *testing.T) {
	h, base, _ := serviceHost(t, services.Of("memcached", nil), services.Sample{Exe: "memcached", Argv: []string{"memcached"}})
	h.Kernel = stuck{h.Kernel}
	s, _ := lookAtHost(t, h, base, service)
	if got := s.Service[0]; got.AuthBy != "argv" || !slices.Contains(got.Gaps, "not-asked") {
		t.Errorf("%+v", got)
	}
	endless := strings.Repeat("x", 2*maxReply)
	h, base, k := serviceHost(t, services.Of("memcached", nil), services.Sample{Exe: "memcached", Argv: []string{"memcached"}, Answer: &endless})
	begin := time.Now()
	s, _ = lookAtHost(t, h, base, service)
	if got := s.Service[0]; k.asked.Load() != 1 || got.AuthBy != "argv" || !slices.Contains(got.Gaps, "not-asked") {
		t.Errorf("after %v: %+v", time.Since(begin), got)
	}
}

// Files that include each other end, and what they say is not taken for all.
func TestServiceIncludesItself(t *testing.T) {
	files := map[string]string{"/etc/my.cnf": "[mysqld]\n!includedir /etc/my.cnf.d\n"}
	for _, name := range []string{"a", "b", "c"} {
		files["/etc/my.cnf.d/"+name+".cnf"] = "[mysqld]\n!includedir /etc/my.cnf.d\n"
	}
	h, base, _ := serviceHost(t, services.Of("mysqld", nil), services.Sample{Exe: "mysqld", Argv: []string{"mysqld"}, Files: files})
	s, c := lookAtHost(t, h, base, service)
	if got := s.Service[0]; got.Auth != "unknown" || c.State != fact.Partial || len(c.Gaps) != 1 || c.Gaps[0].Code != "too-many" {
		t.Errorf("%+v, %+v", got, c)
	}
}

// What can be guessed.
func TestGuessable(t *testing.T) {
	for password, want := range map[string]bool{
		"123456": true, "Passw0rd!": true, "nacos": true, "Nacos2024": true, "admin@123": true, "a": true, "default_token": true,
		"correct horse battery": false, "Kx9#mP2$vL": false, "administration": false, "mypassword-is-long": false,
	} {
		if got := guessable(password, "nacos"); got != want {
			t.Errorf("%q: %v", password, got)
		}
	}
}
