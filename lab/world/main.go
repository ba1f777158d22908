// Command world is the first process of what lies outside a lab host: it adopts orphans, and serves what the intruder's
// server served: a script, and the program that the script starts.
//
//	world redis     the intruder's Redis client
//	world knock     tries whether a port is open from an address
//	world watch     tries it again and again
//	world hold      opens a connection to Redis and keeps it; world held asks over it
//	world dataset   what a Redis holds (run by the lab in the host's network)
//	world pool      a stub of a mining pool
//	world fastcgi   asks a FastCGI server for a script
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"demine/lab/resp"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: world serve|redis|dataset|knock|watch|hold|held|pool|fastcgi [flags]")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2:])
	case "redis":
		err = redis(os.Args[2:])
	case "knock":
		err = knock(os.Args[2:])
	case "watch":
		err = watch(os.Args[2:])
	case "hold":
		err = hold(os.Args[2:])
	case "held":
		err = held(os.Args[2:])
	case "dataset":
		err = dataset()
	case "pool":
		err = stubPool(os.Args[2:])
	case "fastcgi":
		err = fastcgi(os.Args[2:])
	default:
		err = fmt.Errorf("unknown mode %q: use serve, redis, dataset, knock, watch, hold, held, pool or fastcgi", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}

// serve listens on several addresses at once and never ends by itself: the lab kills it.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	script := flags.String("script", "", "file served as /api/report")
	program := flags.String("program", "", "file served as /minerd")
	if err := flags.Parse(args); err != nil {
		return err
	}
	go adopt()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/report", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, *script) })
	mux.HandleFunc("/minerd", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, *program) })
	failed := make(chan error)
	for _, addr := range flags.Args() {
		go func() { failed <- http.ListenAndServe(addr, mux) }()
	}
	return <-failed
}

// adopt waits for the children that a pid namespace hands to its first process.
func adopt() {
	ended := make(chan os.Signal, 16)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
		}
	}
}

// redis sends the commands that it reads (a JSON array of arrays of strings) and prints the replies, one a line.
func redis(args []string) error {
	flags := flag.NewFlagSet("redis", flag.ContinueOnError)
	from := flags.String("from", "", "local address")
	to := flags.String("to", "", "address of Redis")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var commands [][]string
	if err := json.NewDecoder(os.Stdin).Decode(&commands); err != nil {
		return fmt.Errorf("read commands: %w", err)
	}
	c, err := resp.Dial(*from, *to)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, command := range commands {
		reply, err := c.Do(command...)
		if err != nil {
			return fmt.Errorf("%q: %w", command, err)
		}
		fmt.Printf("%q\n", reply)
	}
	return nil
}
