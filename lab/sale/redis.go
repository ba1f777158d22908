package main

import (
	"errors"
	"strings"
	"time"

	"demine/lab/resp"
)

// pool lends out connections to Redis.
type pool struct {
	target resp.Target
	idle   chan *resp.Conn
}

// An order waits this long for a Redis that restarts; then the customer is told.
const (
	patience = 2 * time.Second
	between  = 20 * time.Millisecond
)

// do runs one command. If the connection is lost, as all are when Redis restarts, it runs it once more on a new one.
func (p *pool) do(args ...string) (string, error) {
	c, err := p.take()
	if err == nil {
		var out string
		if out, err = p.use(c, args); !lost(err) {
			return out, err
		}
	}
	if lost(err) {
		c, err = p.wait()
	}
	if err != nil {
		return "", err
	}
	return p.use(c, args)
}

func (p *pool) take() (*resp.Conn, error) {
	select {
	case c := <-p.idle:
		return c, nil
	default:
		return p.target.Open()
	}
}

// use gives the connection back only if it is good for more.
func (p *pool) use(c *resp.Conn, args []string) (string, error) {
	out, err := c.Do(args...)
	if lost(err) {
		c.Close()
		return "", err
	}
	select {
	case p.idle <- c:
	default:
		c.Close()
	}
	return out, err
}

// wait connects anew, and waits until Redis runs and has read its data.
func (p *pool) wait() (*resp.Conn, error) {
	for until := time.Now().Add(patience); ; time.Sleep(between) {
		c, err := p.target.Open()
		if err == nil {
			if _, err = c.Do("PING"); !lost(err) {
				return c, nil
			}
			c.Close()
		}
		if !lost(err) || time.Now().After(until) {
			return nil, err
		}
	}
}

// lost says whether trying again is of use: not if Redis has answered, unless it still reads its data.
func lost(err error) bool {
	var answer resp.Error
	return err != nil && (!errors.As(err, &answer) || strings.HasPrefix(string(answer), "LOADING"))
}
