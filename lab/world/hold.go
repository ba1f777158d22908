package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
)

// hold keeps a connection to Redis and tells each who connects to the socket what PING gives over it, until one says
// close.
func hold(args []string) error {
	flags := flag.NewFlagSet("hold", flag.ContinueOnError)
	from := flags.String("from", "", "local address")
	to := flags.String("to", "", "address of Redis")
	socket := flags.String("socket", "", "where to be asked")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := dial(*from, *to)
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		asker, err := l.Accept()
		if err != nil {
			return err
		}
		question, err := io.ReadAll(asker)
		if err == nil && string(question) == "close" {
			return asker.Close()
		}
		fmt.Fprintln(asker, says(c))
		asker.Close()
	}
}

// held asks over a connection that is held.
func held(args []string) error {
	flags := flag.NewFlagSet("held", flag.ContinueOnError)
	socket := flags.String("socket", "", "of world hold")
	end := flags.Bool("close", false, "close the connection")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := net.Dial("unix", *socket)
	if err != nil {
		return err
	}
	defer c.Close()
	if *end {
		fmt.Fprint(c, "close")
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, c)
	return err
}
