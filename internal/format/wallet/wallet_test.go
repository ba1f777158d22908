package wallet

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// Addresses from the standards and from the projects' own pages.
const (
	monero    = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A" // getmonero.org, donations
	moneroSub = "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H" // the same, now
	genesis   = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"                                                              // the first block of Bitcoin
	script    = "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"
	segwit0   = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"                          // BIP 173
	taproot   = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"      // BIP 350
	eip55     = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"                          // EIP-55
	kaspa     = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j" // rusty-kaspa, crypto/addresses
)

// coded makes an address with Bitcoin's checksum.
func coded(version byte) string {
	b := append([]byte{version}, bytes.Repeat([]byte{0x5a}, 20)...)
	sum := sha256.Sum256(b)
	sum = sha256.Sum256(sum[:])
	n := new(big.Int).SetBytes(append(b, sum[:4]...))
	var out []byte
	for n.Sign() > 0 {
		d := new(big.Int)
		n.DivMod(n, big.NewInt(58), d)
		out = append(out, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[d.Int64()])
	}
	slices.Reverse(out)
	return string(out)
}

// note makes an address of a coin that descends from CryptoNote.
func note(tag []byte, payload int) string {
	b := append(slices.Clone(tag), bytes.Repeat([]byte{0x37}, payload)...)
	sum := keccak256(b)
	b = append(b, sum[:4]...)
	var out []byte
	for len(b) > 0 {
		n := min(8, len(b))
		v := new(big.Int).SetBytes(b[:n])
		block := make([]byte, encoded[n])
		for i := range block {
			d := new(big.Int)
			v.DivMod(v, big.NewInt(58), d)
			block[len(block)-1-i] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[d.Int64()]
		}
		out, b = append(out, block...), b[n:]
	}
	return string(out)
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		in, coin, value string
	}{
		{monero, "XMR", monero},
		{moneroSub, "XMR", moneroSub},
		{`"login":"` + monero + `.rig1"`, "XMR", monero},
		{note([]byte{0x13}, 72), "XMR", note([]byte{0x13}, 72)},
		{note([]byte{0xb2, 0x20}, 64), "WOW", note([]byte{0xb2, 0x20}, 64)},
		{note([]byte{0x9a, 0xe7, 0xae, 0x01}, 64), "SUMO", note([]byte{0x9a, 0xe7, 0xae, 0x01}, 64)},
		{note([]byte{0x77}, 64), "", note([]byte{0x77}, 64)},
		{genesis, "BTC", genesis},
		{script + ":x", "BTC", script},
		{coded(60), "KMD/RVN/VRSC", coded(60)},
		{coded(48), "LTC", coded(48)},
		{segwit0, "BTC", segwit0},
		{strings.ToUpper(segwit0), "BTC", segwit0},
		{taproot, "BTC", taproot},
		{eip55, "ETH", eip55},
		{kaspa, "KAS", kaspa},
	} {
		got := Find([]byte("x "+c.in+"\x00"), 100, 9)
		want := []fact.Indicator{{Kind: "wallet", Coin: c.coin, Value: c.value, Checked: true}}
		if len(got) == 1 {
			want[0].Offset = got[0].Offset
		}
		if d := cmp.Diff(want, got); d != "" || got[0].Offset < 102 {
			t.Errorf("%s: %s", c.in, d)
		}
	}
}

// TestFindNot: one character more, less or other is no address, nor is one that
// touches the end.
func TestFindNot(t *testing.T) {
	for _, a := range []string{monero, moneroSub, genesis, script, segwit0, taproot, eip55, kaspa, coded(60)} {
		for name, in := range map[string]string{
			"longer": a + "4 ", "shorter": a[:len(a)-1] + " ", "prefixed": "z" + strings.TrimPrefix(a, "kaspa:") + " ", "end": a,
			"changed": a[:len(a)-9] + swap(a[len(a)-9]) + a[len(a)-8:] + " ",
		} {
			if got := Find([]byte(in), 0, 9); got != nil {
				t.Errorf("%s: %s: %+v", name, in, got)
			}
		}
	}
	for _, in := range []string{
		"11111111111111111111111111 ", strings.Repeat("1", 95) + " ", strings.Repeat("z", 95) + " ", "bc1 ", "0x0000000000000000000000000000000000000000 ",
		"1" + genesis + " ", "BC1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 ", strings.ToLower(eip55) + " ",
	} {
		if got := Find([]byte(in), 0, 9); got != nil {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

// swap gives another character of the same case.
func swap(c byte) string {
	switch c {
	case 'a', 'A', '2':
		return string(c + 1)
	case 'c', 'C', 'd', 'D':
		return string(c - 1)
	}
	if c >= '3' && c <= '9' {
		return "2"
	}
	return string(c&0x20 | 'C')
}

func TestEthereumInContext(t *testing.T) {
	low := strings.ToLower(eip55)
	for _, in := range []string{"stratum1+tcp://" + low + ".w@eth.example.org:4444 ", `{"user": "` + low + `"}`, "--user " + low + " "} {
		got := Find([]byte(in), 0, 9)
		if !slices.ContainsFunc(got, func(i fact.Indicator) bool { return i.Value == low && !i.Checked && i.Coin == "ETH" }) {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

func TestPool(t *testing.T) {
	for in, want := range map[string]string{
		"-o stratum+tcp://Pool.Example.org:3333 -u x":     "stratum+tcp://pool.example.org:3333",
		"STRATUM+SSL://198.51.100.7:443/":                 "stratum+ssl://198.51.100.7:443",
		"stratum2+tcp://[2001:db8::1]:3333\"":             "stratum2+tcp://[2001:db8::1]:3333",
		"stratum1+tcp://0xw.rig:secret@eth.example:4444 ": "stratum1+tcp://eth.example:4444",
		"daemon+http://127.0.0.1:18081 ":                  "daemon+http://127.0.0.1:18081",
		"stratum+tcp://localhost:3333\x00":                "stratum+tcp://localhost:3333",
		"stratum+tcp://%s:%d ":                            "",
		"stratum+tcp://host:port ":                        "",
		"stratum+tcp://a.b:0 ":                            "",
		"stratum+tcp://a.b:70000 ":                        "",
		"stratum+tcp://a..b:1 ":                           "",
		"stratum+tcp://a.b:33":                            "",
		"stratum+tcp:// a.b:33 ":                          "",
		"https://pool.example.org:443/ ":                  "",
	} {
		got := Find([]byte(in), 0, 9)
		switch {
		case want == "" && got == nil:
		case len(got) == 1 && got[0].Kind == "pool" && got[0].Value == want && !got[0].Checked:
		default:
			t.Errorf("%q: %+v, want %q", in, got, want)
		}
	}
}

func TestFindCaps(t *testing.T) {
	in := strings.Repeat(monero+" ", 5) + moneroSub + " " + genesis + " " + script + " "
	if got := Find([]byte(in), 0, 3); len(got) != 3 || got[1].Value != moneroSub {
		t.Errorf("%+v", got)
	}
}

// TestKeccak: known sums, and with the padding of SHA-3 what Go's own gives.
func TestKeccak(t *testing.T) {
	for in, want := range map[string]string{
		"":    "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
		"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
	} {
		if got := keccak256([]byte(in)); hex.EncodeToString(got[:]) != want {
			t.Errorf("%q: %x", in, got)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if got := sponge(b, 0x06); got != sha3.Sum256(b) {
			t.Fatalf("%d bytes: %x", n, got)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{monero, moneroSub, genesis, segwit0, taproot, eip55, kaspa, "stratum+tcp://a:b@c.d:1 ", strings.Repeat("1", 113), note([]byte{0x13}, 72)} {
		f.Add([]byte("x" + s + " "))
		f.Add([]byte(" " + s + "\x00"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := Find(b, 7, 4)
		if len(got) > 4 {
			t.Fatal("caps")
		}
		for _, i := range got {
			if i.Value == "" || i.Kind != "wallet" && i.Kind != "pool" || i.Offset < 7 || i.Offset >= int64(len(b))+7 || len(i.Value) > Longest {
				t.Fatalf("%+v", i)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = "abcdefghABCDEFGH 0123456789.:/-_\x00\n"[r.IntN(34)]
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Find(data, 0, 32)
	}
}
