// Package wallet finds whom a miner mines for and where: addresses of coins, of
// which the checksum is verified, and of pools. It looks at every byte once and
// decodes only what has the length and the first characters of an address.
package wallet

import (
	"bytes"

	"demine/internal/fact"
)

// Longest is how many bytes the longest thing has that is found: what is
// searched in pieces must overlap by so much.
const Longest = 512

// word marks the characters of which addresses consist.
var word = func() (w [256]bool) {
	for c := range w {
		w[c] = c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	}
	return w
}()

// Find gives the addresses in b, each once, at most so many; the offset of b's
// first byte is base. What touches the end of b may be cut off and is left to
// the next piece. It is for what has proved to speak of mining: a shop that takes
// coins has addresses too.
func Find(b []byte, base int64, most int) []fact.Indicator {
	f := finder{b: b, base: base, most: most}
	for i := 0; i < len(b) && len(f.found) < most; {
		if !word[b[i]] {
			if b[i] == ':' && bytes.HasPrefix(b[i:], []byte("://")) {
				f.pool(i)
			}
			i++
			continue
		}
		end := i + 1
		for end < len(b) && word[b[end]] {
			end++
		}
		if end < len(b) {
			f.word(i, end)
		}
		i = end
	}
	return f.found
}

type finder struct {
	b     []byte
	base  int64
	most  int
	found []fact.Indicator
}

func (f *finder) pool(at int) {
	if url, start, ok := pool(f.b, at); ok {
		f.add(fact.Indicator{Kind: "pool", Value: url, Offset: int64(start)})
	}
}

// word tries b[from:to], which has no letter or digit beside it.
func (f *finder) word(from, to int) {
	t := f.b[from:to]
	if len(t) < 26 || len(t) > 113 {
		return
	}
	i := fact.Indicator{Kind: "wallet", Offset: int64(from), Value: string(t), Checked: true}
	var ok bool
	switch {
	case bytes.HasPrefix(t, []byte("0x")) && len(t) == 42:
		if i.Checked, ok = ethereum(t[2:]); !i.Checked && ok {
			ok = mined(f.b, from, to)
		}
		i.Coin = "ETH"
	case len(t) <= 35:
		i.Coin, ok = base58check(t)
	default:
		i.Coin, i.Value, ok = f.long(t, from)
	}
	if ok {
		f.add(i)
	}
}

// long tries the codes with many characters.
func (f *finder) long(t []byte, from int) (coin, value string, ok bool) {
	for _, p := range []struct{ human, coin string }{{"kaspa", "KAS"}, {"nexa", "NEXA"}} {
		if bytes.HasSuffix(f.b[:from], []byte(p.human+":")) && cashAddr(t, p.human) {
			return p.coin, p.human + ":" + string(t), true
		}
	}
	low := t
	if bytes.Equal(t, bytes.ToUpper(t)) { // one case only is allowed
		low = bytes.ToLower(t)
	}
	for _, p := range []struct{ human, coin string }{{"bc", "BTC"}, {"ltc", "LTC"}} {
		if segwit(low, p.human) {
			return p.coin, string(low), true
		}
	}
	coin, ok = cryptonote(t)
	return coin, string(t), ok
}

func (f *finder) add(i fact.Indicator) {
	for _, have := range f.found {
		if have.Value == i.Value {
			return
		}
	}
	if len(f.found) < f.most {
		i.Offset += f.base
		f.found = append(f.found, i)
	}
}
