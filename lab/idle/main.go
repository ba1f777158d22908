// Command idle plays programs that look suspicious and are not: it sleeps, or works a little, under whatever name and from
// whatever place it was copied to.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"demine/lab/memfd"
)

func main() {
	percent := flag.Int("percent", 0, "share of one CPU to use")
	memory := flag.String("memfd", "", "run from a memory file of this name")
	flag.Parse()
	if *memory != "" {
		fmt.Fprintln(os.Stderr, memfd.Run(*memory, append([]string{os.Args[0], "-percent", fmt.Sprint(*percent)}, flag.Args()...)))
		os.Exit(1)
	}
	if *percent == 0 {
		end := make(chan os.Signal, 1)
		signal.Notify(end, syscall.SIGTERM)
		<-end
		return
	}
	work(*percent)
}

// work for that share of each tenth of a second.
func work(percent int) {
	sum := sha256.Sum256(nil)
	for {
		for until := time.Now().Add(time.Duration(percent) * time.Millisecond); time.Now().Before(until); {
			sum = sha256.Sum256(sum[:])
		}
		time.Sleep(time.Duration(100-percent) * time.Millisecond)
	}
}
