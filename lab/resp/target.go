package resp

import (
	"errors"
	"net"
	"net/url"
)

// Target is a Redis and who to be there.
type Target struct{ Addr, User, Password string }

// Parse reads redis://[[USER]:PASSWORD@]HOST[:PORT][/]. Its errors do not repeat the password.
func Parse(raw string) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "redis" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return Target{}, errors.New("not of the form redis://:PASSWORD@HOST:PORT/")
	}
	t := Target{Addr: u.Host, User: u.User.Username()}
	t.Password, _ = u.User.Password()
	if u.Port() == "" {
		t.Addr = net.JoinHostPort(u.Hostname(), "6379")
	}
	return t, nil
}

// Open connects and, with a password, logs in.
func (t Target) Open() (*Conn, error) {
	c, err := Dial("", t.Addr)
	if err != nil || t.Password == "" {
		return c, err
	}
	login := []string{"AUTH", t.Password}
	if t.User != "" {
		login = []string{"AUTH", t.User, t.Password}
	}
	if _, err := c.Do(login...); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
