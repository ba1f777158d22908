package respond

import (
	"bytes"
	"errors"
	"testing"
)

// edits of the lines with these numbers.
func linesOut(text string, ns ...int) []lineEdit {
	lines := splitLines([]byte(text))
	var out []lineEdit
	for _, n := range ns {
		out = append(out, lineEdit{N: n, SHA256: sumHex(lines[n-1])})
	}
	return out
}

func TestEditKeepsAllOtherBytes(t *testing.T) {
	tests := []struct {
		name, old, want string
		out             []int
	}{
		{"middle", "a\nb\nc\n", "a\nc\n", []int{2}},
		{"crlf", "a\r\nb\r\nc\r\n", "a\r\nc\r\n", []int{2}},
		{"no last newline", "a\nb", "a\n", []int{2}},
		{"last has none, other goes", "a\nb", "b", []int{1}},
		{"all", "a\n", "", []int{1}},
		{"binary", "\x00\xff\n\nb\nREDIS", "\x00\xff\n\nREDIS", []int{3}},
		{"two runs", "a\nb\nc\nd\ne\n", "b\ne\n", []int{4, 1, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			es := linesOut(tt.old, tt.out...)
			got, err := editLines([]byte(tt.old), es)
			if err != nil || string(got) != tt.want {
				t.Fatalf("%q, %v", got, err)
			}
			back, err := unedit(got, []byte(tt.old), es)
			if err != nil || string(back) != tt.old {
				t.Fatalf("back: %q, %v", back, err)
			}
			if _, err := editLines([]byte("x"+tt.old), es); !errors.Is(err, ErrDrifted) && tt.out[0] == 1 {
				t.Errorf("another line was taken: %v", err)
			}
		})
	}
}

// Somebody has edited the file since; his lines stay, ours come back to their
// place or not at all.
func TestUneditAfterOthers(t *testing.T) {
	const old = "a\nb\nX\nc\nd\n"
	tests := []struct{ name, now, want string }{
		{"far above", "0\na\nb\nc\nd\n", "0\na\nb\nX\nc\nd\n"},
		{"far below", "a\nb\nc\nd\ne\n", "a\nb\nX\nc\nd\ne\n"},
		{"they put it back", old, old},
		{"the line above", "a\nB\nc\nd\n", ""},
		{"the line below is gone", "a\nb\nd\n", ""},
		{"one came between", "a\nb\n!\nc\nd\n", ""},
		{"twins, told apart by more lines", "b\nc\na\nb\nc\nd\n", "b\nc\na\nb\nX\nc\nd\n"},
		{"twins", "a\nb\nc\nd\na\nb\nc\nd\n", ""},
		{"emptied", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := unedit([]byte(tt.now), []byte(old), linesOut(old, 3))
			if tt.want == "" && !errors.Is(err, ErrDrifted) || tt.want != "" && string(got) != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	got, err := unedit([]byte("a\nmine\n"), []byte("a\nX\n"), linesOut("a\nX\n", 2))
	if err != nil || string(got) != "a\nX\nmine\n" {
		t.Errorf("a job added at the end: %q, %v", got, err)
	}
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"), uint64(5), []byte("z\n"))
	f.Fuzz(func(t *testing.T, text []byte, which uint64, instead []byte) {
		var es []lineEdit
		for i, l := range splitLines(text) {
			if which>>(i%64)&1 == 1 {
				e := lineEdit{N: i + 1, SHA256: sumHex(l)}
				if i%2 == 1 {
					e.Instead = append(bytes.ReplaceAll(instead, []byte("\n"), nil), '\n')
				}
				es = append(es, e)
			}
		}
		next, err := editLines(text, es)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := unedit(next, text, es); err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q → %q → %q, %v", text, next, back, err)
		}
		if back, err := unedit(text, text, es); err == nil && !bytes.Equal(back, text) {
			t.Fatalf("%q is back already, and becomes %q", text, back)
		}
	})
}
