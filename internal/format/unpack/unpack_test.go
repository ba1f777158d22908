package unpack

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const text = "Nov 22 19:00:01 shop sshd[7]: Accepted password for root from 192.0.2.1 port 1 ssh2\n"

// bz is text through bzip2: the library has no writer.
const bz = "BZh91AY&SY"

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	var gz, x, z bytes.Buffer
	g := gzip.NewWriter(&gz)
	_, _ = io.WriteString(g, text)
	_ = g.Close()
	w, err := xz.WriterConfig{DictCap: 1 << 20}.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(zw, text)
	_ = zw.Close()
	return map[string][]byte{"gzip": gz.Bytes(), "xz": x.Bytes(), "zstd": z.Bytes(), "plain": []byte(text)}
}

func TestReader(t *testing.T) {
	for name, b := range samples(t) {
		r, packed, err := Reader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != text || packed != (name != "plain") {
			t.Errorf("%s: %q %v %v", name, got, packed, err)
		}
	}
}

// A file that asks for 4 GiB is refused before it gets them.
func TestWindow(t *testing.T) {
	b := samples(t)["xz"]
	i := bytes.Index(b, []byte{0x21, 1})
	b[i+2] = 40
	if _, _, err := Reader(bytes.NewReader(b)); !errors.Is(err, ErrWindow) {
		t.Error(err)
	}
	b[i+2] = 18 // 2 MiB: the head's checksum is wrong now
	if _, _, err := Reader(bytes.NewReader(b)); errors.Is(err, ErrWindow) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Add([]byte(bz))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := Reader(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer r.Close()
		n, _ := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		if n == 0 && strings.HasPrefix(string(b), "Nov") {
			t.Error("a plain log is empty")
		}
	})
}
