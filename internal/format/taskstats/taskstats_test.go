package taskstats

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func attr(typ uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(attrLen+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	return append(append(b, value...), make([]byte, (4-len(value)%4)%4)...)
}

func reply(typ uint16, sequence uint32, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(headerLen+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = binary.NativeEndian.AppendUint32(b, 77)
	return append(b, body...)
}

// task is the answer for a number: the process that the kernel tells, in a
// struct of a version and a length.
func task(pid, told, tgid uint32, version uint16, size int) []byte {
	s := make([]byte, 416)
	binary.NativeEndian.PutUint16(s, version)
	binary.NativeEndian.PutUint32(s[atPID:], told)
	binary.NativeEndian.PutUint32(s[atTGID:], tgid)
	nest := append(attr(1, binary.NativeEndian.AppendUint32(nil, pid)), attr(attrStats, s[:size])...)
	return reply(28, pid, append([]byte{2, 1, 0, 0}, attr(attrAggregate, nest)...))
}

func refusal(pid uint32, errno int32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(-errno))
	return reply(typeError, pid, append(b, Ask(nil, 28, pid)[:headerLen]...))
}

type told struct {
	Sequence, TGID uint32
	Errno          int
	OK             bool
}

func all(b []byte) (out []told, err error) {
	for a, err := range Answers(b) {
		if err != nil {
			return out, err
		}
		tgid, ok := a.Task()
		out = append(out, told{a.Sequence, tgid, a.Errno, ok})
	}
	return out, nil
}

func TestAnswers(t *testing.T) {
	datagram := slices.Concat(refusal(6, 3), task(7, 7, 7, 14, 400), task(8, 8, 7, 12, 372), task(9, 9, 9, 8, 328),
		task(10, 0, 5, 15, 400), reply(28, 11, []byte{2, 1, 0, 0}))
	got, err := all(datagram)
	want := []told{{6, 0, 3, false}, {7, 7, 0, true}, {8, 7, 0, true}, {9, 0, 0, true}, {10, 0, 0, true}, {11, 0, 0, false}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, cut := range []int{1, headerLen, len(datagram) - 1} {
		if _, err := all(datagram[:cut]); err == nil {
			t.Errorf("%d bytes are taken", cut)
		}
	}
}

func family(name string, id uint16) []byte {
	body := append([]byte{1, 2, 0, 0}, attr(attrName, []byte(name+"\x00"))...)
	return reply(control, 0, append(body, attr(attrFamilyID, binary.NativeEndian.AppendUint16(nil, id))...))
}

func TestFamily(t *testing.T) {
	var got []uint16
	done := 0
	for a, err := range Answers(slices.Concat(family("nlctrl", 16), family("TASKSTATS", 23), reply(typeDone, 0, make([]byte, 4)))) {
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := a.Family(); ok {
			got = append(got, id)
		}
		if a.Done {
			done++
		}
	}
	if !slices.Equal(got, []uint16{23}) || done != 1 {
		t.Error(got, done)
	}
	for a := range Answers(refusal(0, 2)) {
		if _, ok := a.Family(); ok || a.Errno != 2 {
			t.Error("a refusal names a family")
		}
	}
}

// A question has the length that its header announces, padded to four bytes.
func TestQuestions(t *testing.T) {
	two := Ask(Ask(nil, 23, 4711), 23, 4712)
	if len(two) != 56 || binary.NativeEndian.Uint32(two) != 28 || binary.NativeEndian.Uint32(two[28+24:]) != 4712 {
		t.Errorf("% x", two)
	}
	if f := AskFamilies(); len(f)%4 != 0 || int(binary.NativeEndian.Uint32(f)) != len(f) {
		t.Errorf("% x", f)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(slices.Concat(refusal(6, 3), task(7, 7, 7, 14, 400)))
	f.Add(task(10, 0, 5, 15, 400))
	f.Fuzz(func(t *testing.T, b []byte) {
		for a, err := range Answers(b) {
			if err != nil {
				break
			}
			a.Family()
			if tgid, ok := a.Task(); tgid != 0 && !ok {
				t.Fatal("a process of no task")
			}
		}
	})
}
