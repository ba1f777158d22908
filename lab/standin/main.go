// Command standin is the lab's harmless stand-in for a miner: it keeps CPUs busy and carries, as data, the constants by which
// RandomX code is known. It mines nothing, connects to nobody and reads no file. Told to, it holds the connections of
// others, or runs a program and ends with it.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"time"

	"demine/lab/memfd"
)

// markers are constants of the RandomX reference source (aes_hash.cpp, dataset.cpp), as they lie in memory.
var markers = [][16]byte{
	{0x0d, 0x2c, 0xb5, 0x92, 0xde, 0x56, 0xa8, 0x9f, 0x47, 0xdb, 0x82, 0xcc, 0xad, 0x3a, 0x98, 0xd7}, // AES_HASH_1R_STATE0
	{0x6e, 0x99, 0x8d, 0x33, 0x98, 0xb7, 0xc7, 0x15, 0x5a, 0x12, 0x9e, 0xf5, 0x57, 0x80, 0xe7, 0xac}, // AES_HASH_1R_STATE1
	{0x17, 0x00, 0x77, 0x6a, 0xd0, 0xc7, 0x62, 0xae, 0x6b, 0x50, 0x79, 0x50, 0xe4, 0x7c, 0xa0, 0xe8}, // AES_HASH_1R_STATE2
	{0x0c, 0x24, 0x0a, 0x63, 0x8d, 0x82, 0xad, 0x07, 0x05, 0x00, 0xa1, 0x79, 0x48, 0x49, 0x99, 0x7e}, // AES_HASH_1R_STATE3
	{0x89, 0x83, 0xfa, 0xf6, 0x9f, 0x94, 0x24, 0x8b, 0xbf, 0x56, 0xdc, 0x90, 0x01, 0x02, 0x89, 0x06}, // AES_HASH_1R_XKEY0
	{0xd1, 0x63, 0xb2, 0x61, 0x3c, 0xe0, 0xf4, 0x51, 0xc6, 0x43, 0x10, 0xee, 0x9b, 0xf9, 0x18, 0xed}, // AES_HASH_1R_XKEY1
	{0x53, 0xa5, 0xac, 0x6d, 0x09, 0x66, 0x71, 0x62, 0x2b, 0x55, 0xb5, 0xdb, 0x17, 0x49, 0xf4, 0xb4}, // AES_GEN_1R_KEY0
	{0x07, 0xaf, 0x7c, 0x6d, 0x0d, 0x71, 0x6a, 0x84, 0x78, 0xd3, 0x25, 0x17, 0x4e, 0xdc, 0xa1, 0x0d}, // AES_GEN_1R_KEY1
	{0xfc, 0xa1, 0xf5, 0x59, 0x8a, 0x97, 0x0a, 0x81, 0x46, 0xd8, 0xc2, 0x38, 0xdf, 0x99, 0x70, 0xa7}, // superscalarAdd1, 2
	{0x5c, 0x49, 0x22, 0xbf, 0x1c, 0xb9, 0x26, 0x81, 0x62, 0x8a, 0x9f, 0x17, 0x97, 0x25, 0x4d, 0x49}, // superscalarAdd3, 4
	{0x0c, 0xec, 0xaa, 0xce, 0xb9, 0xef, 0x37, 0x92, 0x78, 0x2d, 0xe6, 0x6c, 0x74, 0x56, 0x2a, 0x2f}, // superscalarAdd5, 6
	{0x4e, 0xe5, 0x2c, 0xb6, 0xf7, 0x3b, 0x85, 0x84},                                                 // superscalarAdd7
}

func main() {
	threads := flag.Int("threads", runtime.NumCPU(), "CPUs to keep busy")
	percent := flag.Int("percent", 100, "how busy, each")
	memory := flag.String("memfd", "", "run from a memory file of this name")
	serve := flag.String("serve", "", "listen at this address and hold what connects")
	flag.Parse()
	if *memory != "" {
		fmt.Fprintln(os.Stderr, memfd.Run(*memory, []string{os.Args[0], "-threads", fmt.Sprint(*threads), "-percent", fmt.Sprint(*percent)}))
		os.Exit(1)
	}
	if *serve != "" {
		go hold(*serve)
	}
	if flag.NArg() > 0 {
		os.Exit(run(flag.Args()))
	}
	runtime.GOMAXPROCS(*threads)
	for range *threads - 1 {
		go burn(*percent)
	}
	burn(*percent)
}

// hold accepts connections and keeps them.
func hold(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
}

// run runs a program and gives its exit status.
func run(argv []string) int {
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return c.ProcessState.ExitCode()
}

// burn works for that share of each tenth of a second.
func burn(percent int) {
	x := uint64(1)
	for {
		for until := time.Now().Add(time.Duration(percent) * time.Millisecond); time.Now().Before(until); {
			x = mix(x)
		}
		if percent < 100 {
			time.Sleep(time.Duration(100-percent) * time.Millisecond)
		}
		runtime.KeepAlive(x) // the compiler must not see that nothing comes of the work
	}
}

func mix(x uint64) uint64 {
	for range 100 {
		for _, m := range markers {
			for _, b := range m {
				x = x*6364136223846793005 + uint64(b)
			}
		}
	}
	return x
}
