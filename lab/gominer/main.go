// Command gominer is a stand-in for a miner that somebody wrote anew: it has no constant of any known miner's code, keeps
// CPUs busy, and talks Stratum to the lab's stub of a pool if it is told one. It mines nothing.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"runtime"

	"demine/lab/pool"
)

func main() {
	threads := flag.Int("t", runtime.NumCPU(), "CPUs to keep busy")
	var a pool.Account
	flag.StringVar(&a.Pool, "o", "", "host:port of the stub of a pool; empty: talk to nobody")
	flag.BoolVar(&a.TLS, "s", false, "over TLS")
	flag.StringVar(&a.Dialect, "d", pool.Monero, "dialect")
	flag.StringVar(&a.User, "u", pool.Wallet, "account at the pool")
	flag.StringVar(&a.Password, "p", "x", "password at the pool")
	flag.Parse()
	if a.Pool != "" {
		go a.Mine(context.Background())
	}
	for range *threads - 1 {
		go burn()
	}
	burn()
}

func burn() {
	sum := sha256.Sum256(nil)
	for {
		sum = sha256.Sum256(sum[:])
	}
}
