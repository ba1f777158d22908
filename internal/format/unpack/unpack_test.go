package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
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

// cutXZ is an xz stream of one block: its head, the block, and the rest.
func cutXZ(t *testing.T, check byte, text string) (head, block, rest []byte) {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 20, CheckSum: check}.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	b := out.Bytes()
	index := (int(binary.LittleEndian.Uint32(b[len(b)-8:])) + 1) * 4
	end := len(b) - 12 - index
	return b[:12], b[12:end], b[end:]
}

func TestBlocks(t *testing.T) {
	for _, check := range []byte{xz.CRC32, xz.CRC64, xz.SHA256} {
		head, one, rest := cutXZ(t, check, text)
		_, two, _ := cutXZ(t, check, text+text)
		r, _, err := Reader(bytes.NewReader(slices.Concat(head, one, two, rest)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text+text+text {
			t.Errorf("check %d: %q %v", check, got, err)
		}
	}
}

// A later block that asks for 4 GiB does not get them either, and what stood
// before it is read.
func TestWindowOfLaterBlock(t *testing.T) {
	head, one, rest := cutXZ(t, xz.CRC32, text)
	two := slices.Clone(one) // size, flags, filter, size of its property, property …
	if !bytes.HasPrefix(two, []byte{2, 0, 0x21, 1}) {
		t.Fatalf("% x", two[:12])
	}
	two[4] = 40
	binary.LittleEndian.PutUint32(two[8:], crc32.ChecksumIEEE(two[:8]))
	r, _, err := Reader(bytes.NewReader(slices.Concat(head, one, two, rest)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); !errors.Is(err, ErrWindow) || string(got) != text {
		t.Errorf("%q %v", got, err)
	}
}

// So many blocks that their windows alone would take minutes.
func TestManyBlocks(t *testing.T) {
	head, one, rest := cutXZ(t, xz.CRC32, "")
	r, _, err := Reader(bytes.NewReader(slices.Concat(head, bytes.Repeat(one, maxBlocks+1), rest)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, ErrWindow) {
		t.Error(err)
	}
}

func TestDamagedXZ(t *testing.T) {
	b := samples(t)["xz"]
	i := bytes.Index(b, []byte("sshd"))
	b[i] = 'X'
	r, _, err := Reader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("not noticed")
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
