package main

import (
	"crypto/tls"
	"flag"
	"net"

	"demine/lab/pool"
)

// stubPool plays a mining pool at two addresses, in the clear and over TLS, until the lab ends it.
func stubPool(args []string) error {
	flags := flag.NewFlagSet("pool", flag.ContinueOnError)
	clear := flags.String("clear", "", "address in the clear")
	sealed := flags.String("tls", "", "address over TLS")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cert, err := pool.Certificate()
	if err != nil {
		return err
	}
	open, err := net.Listen("tcp", *clear)
	if err != nil {
		return err
	}
	secret, err := tls.Listen("tcp", *sealed, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for _, l := range []net.Listener{open, secret} {
		go func() { failed <- pool.Serve(l) }()
	}
	return <-failed
}
