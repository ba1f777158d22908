package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"demine/lab/resp"
)

// within is how long a knocker waits for each answer; on this wire one comes within a millisecond, or never.
const within = 1500 * time.Millisecond

// knock connects once and prints what came of it: open, refused, timeout or unreachable.
func knock(args []string) error {
	flags := flag.NewFlagSet("knock", flag.ContinueOnError)
	from := flags.String("from", "", "local address")
	to := flags.String("to", "", "address and port")
	ping := flags.Bool("ping", false, "say PING to Redis there")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := dial(*from, *to)
	if err != nil {
		how := outcome(err)
		if how == "" {
			return err
		}
		fmt.Println(how)
		return nil
	}
	defer c.Close()
	if *ping {
		fmt.Println("open:", says(c))
		return nil
	}
	fmt.Println("open")
	return nil
}

func dial(from, to string) (*resp.Conn, error) {
	d := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	return resp.New(c), nil
}

// says is what Redis answers to PING, or what is wrong with the connection.
func says(c *resp.Conn) string {
	reply, err := c.Within(within, "PING")
	var refused resp.Error
	switch {
	case err == nil && len(reply) == 1:
		return reply[0]
	case errors.As(err, &refused):
		return string(refused)
	case outcome(err) != "":
		return outcome(err)
	}
	return fmt.Sprint(reply, err)
}

// outcome names what the network did; empty if it was not the network.
func outcome(err error) string {
	var slow net.Error // a dialer's own time limit is no deadline of the connection
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES):
		return "unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "closed"
	}
	return ""
}
