// Package taskstats writes questions to the kernel's accounting of tasks and
// reads its answers: messages of generic netlink
// (Documentation/accounting/taskstats.rst, uapi/linux/{netlink,genetlink,taskstats}.h).
package taskstats

import (
	"encoding/binary"
	"errors"
	"iter"
)

const (
	headerLen = 16 // struct nlmsghdr
	genLen    = 4  // struct genlmsghdr
	attrLen   = 4  // struct nlattr

	typeError = 2     // NLMSG_ERROR
	typeDone  = 3     // NLMSG_DONE
	request   = 1     // NLM_F_REQUEST
	dump      = 0x300 // NLM_F_DUMP

	control       = 0x10 // GENL_ID_CTRL
	getFamily     = 3    // CTRL_CMD_GETFAMILY
	attrFamilyID  = 1    // CTRL_ATTR_FAMILY_ID
	attrName      = 2    // CTRL_ATTR_FAMILY_NAME
	getStats      = 1    // TASKSTATS_CMD_GET
	attrPID       = 1    // TASKSTATS_CMD_ATTR_PID
	attrStats     = 3    // TASKSTATS_TYPE_STATS
	attrAggregate = 4    // TASKSTATS_TYPE_AGGR_PID
)

// Where struct taskstats has the number of the task, and from version 12
// (Linux 5.19) that of its process.
const (
	atPID       = 128
	atTGID      = 368
	withTGID    = 12
	answerLimit = 1 << 16 // of a netlink message
)

// errCut: a message ends before what it announces.
var errCut = errors.New("cut-off netlink message")

// AskFamilies is the question for all families of messages. For one that it
// does not have the kernel would run the host's modprobe.
func AskFamilies() []byte {
	return header(nil, headerLen+genLen, control, request|dump, 0, getFamily)
}

// Ask appends the question for the task with this number. Its answer carries
// the same number.
func Ask(b []byte, family uint16, pid uint32) []byte {
	b = header(b, headerLen+genLen+attrLen+4, family, request, pid, getStats)
	b = binary.NativeEndian.AppendUint16(b, attrLen+4)
	b = binary.NativeEndian.AppendUint16(b, attrPID)
	return binary.NativeEndian.AppendUint32(b, pid)
}

func header(b []byte, size uint32, family, flags uint16, sequence uint32, command byte) []byte {
	o := binary.NativeEndian
	b = o.AppendUint32(b, size)
	b = o.AppendUint16(b, family)
	b = o.AppendUint16(b, flags)
	b = o.AppendUint32(b, sequence)
	b = o.AppendUint32(b, 0) // from nobody in particular
	return append(b, command, 1, 0, 0)
}

// Answer is that to one question, or a part of it. Errno is the kernel's,
// positive; ESRCH says that nobody has the number.
type Answer struct {
	Sequence uint32
	Errno    int
	Done     bool // the last of several
	body     []byte
}

// Answers gives those in one datagram. It ends with an error at one that is cut
// off.
func Answers(b []byte) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		for len(b) > 0 {
			a, size, err := answer(b)
			if !yield(a, err) || err != nil {
				return
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

func answer(b []byte) (Answer, int, error) {
	o := binary.NativeEndian
	if len(b) < headerLen {
		return Answer{}, 0, errCut
	}
	size := o.Uint32(b)
	if size < headerLen+genLen || size > answerLimit || int(size) > len(b) {
		return Answer{}, 0, errCut
	}
	a := Answer{Sequence: o.Uint32(b[8:])}
	switch o.Uint16(b[4:]) {
	case typeError:
		a.Errno = -int(int32(o.Uint32(b[headerLen:])))
	case typeDone:
		a.Done = true
	default:
		a.body = b[headerLen+genLen : size]
	}
	return a, int(size), nil
}

// Family is the number of this family of messages, if the answer tells it.
func (a Answer) Family() (uint16, bool) {
	v := attribute(a.body, attrFamilyID)
	if len(v) < 2 || string(attribute(a.body, attrName)) != "TASKSTATS\x00" {
		return 0, false
	}
	return binary.NativeEndian.Uint16(v), true
}

// Task reports whether the kernel accounts for the task that was asked for,
// and of which process it is: 0 where that is not told.
func (a Answer) Task() (tgid uint32, ok bool) {
	s := attribute(attribute(a.body, attrAggregate), attrStats)
	if a.Errno != 0 || len(s) < atPID+4 {
		return 0, false
	}
	// In versions 15 and 16 other fields were put in between: what is not at its
	// place is not read.
	o := binary.NativeEndian
	if o.Uint16(s) < withTGID || o.Uint32(s[atPID:]) != a.Sequence || len(s) < atTGID+4 {
		return 0, true
	}
	return o.Uint32(s[atTGID:]), true
}

// attribute is the value of the first one of a type.
func attribute(b []byte, typ uint16) []byte {
	o := binary.NativeEndian
	for len(b) >= attrLen {
		n := int(o.Uint16(b))
		if n < attrLen || n > len(b) {
			return nil
		}
		if o.Uint16(b[2:])&0x3fff == typ { // NLA_TYPE_MASK
			return b[attrLen:n]
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}
