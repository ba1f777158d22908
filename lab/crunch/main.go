// Command crunch plays honest programs of one's own that keep CPUs busy: a renderer with a thread pinned to each CPU, a
// search for a password, a program that makes more garbage than it has room for.
package main

import (
	"crypto/sha512"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// works are what it can do; each runs for ever on a thread of its own.
var works = map[string]func(int){"render": render, "hash": hash, "garbage": garbage}

func main() {
	threads := flag.Int("threads", runtime.NumCPU(), "CPUs to keep busy")
	what := flag.String("work", "render", "render, hash or garbage")
	flag.Parse()
	work, ok := works[*what]
	if !ok {
		fmt.Fprintf(os.Stderr, "crunch: no work %q\n", *what)
		os.Exit(2)
	}
	for n := range *threads - 1 {
		go work(n + 1)
	}
	work(0)
}

// render adds up light as a path tracer does, pinned as renderers and solvers pin their threads.
func render(n int) {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(n % runtime.NumCPU())
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		fmt.Fprintln(os.Stderr, "crunch: pin:", err)
	}
	for x, light := 0.1, 0.0; ; x += 0.1 {
		light += math.Sqrt(math.Abs(math.Sin(x)*math.Cos(x/3))) / (1 + x*x)
		runtime.KeepAlive(light)
	}
}

// hash stretches guesses as crypt(3) does with its $6$.
func hash(n int) {
	for guess := n; ; guess += runtime.NumCPU() {
		sum := sha512.Sum512(fmt.Append(nil, "salt", guess))
		for range 5000 {
			sum = sha512.Sum512(sum[:])
		}
		runtime.KeepAlive(sum)
	}
}

// garbage keeps the collector busier than itself.
func garbage(int) {
	keep := make([][]byte, 4096)
	for i := 0; ; i++ {
		keep[i%len(keep)] = make([]byte, 1+i%8192)
	}
}
