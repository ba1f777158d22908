package lease

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"demine/internal/i18n"
)

// Kinds of Event. What changes the packet filter is told before (intend) and
// after.
const (
	Intend    = "intend"
	DidOpen   = "opened"
	DidExtend = "extended"
	DidClose  = "closed"
	DidEnd    = "ended"
	DidAsk    = "requested"
	DidFail   = "failed"    // what was intended was not done, or was taken back
	DidPut    = "put-back"  // what was missing in the packet filter, or blocked there
	DidSweep  = "swept"     // an element that no lease explained was taken away
	DidMark   = "remarked"  // somebody else began to use the mark of leases
	DidWarn   = "warned"    // people were told of the coming end
	DidFind   = "saved"     // a file that is loaded at boot holds leases: Why is its name
	DidSpoil  = "damaged"   // the list could not be read: Why is its new name; what it alone explained is taken away
	DidRefuse = "withdrawn" // a request was withdrawn, or is too old
)

// Event is one line of the audit trail. Each holds the SHA-256 of the line
// before: nobody changes or drops one without changing all that follow, and the
// sum of the last one, which the system log has too.
type Event struct {
	N     int          `json:"n"` // number of the line, from 1
	At    time.Time    `json:"at"`
	Kind  string       `json:"kind"`
	Doing string       `json:"doing,omitempty"` // of intend and failed: the kind that it is about
	ID    string       `json:"id,omitempty"`    // of the lease
	Lease *Lease       `json:"lease,omitempty"` // as it is then
	By    *Person      `json:"by,omitempty"`    // nil: demine itself
	Why   string       `json:"why,omitempty"`   // a code (EndTime …), or an error's words
	Said  i18n.Message `json:"said,omitzero"`   // of a refusal: what people read
	Torn  int          `json:"torn,omitempty"`  // bytes of a line before it that a crash had cut off
	Prev  string       `json:"prev"`            // hex; empty for the first

	// Told by Verify, and not in the line.
	Sum      string `json:"-"` // of the line
	Unproved bool   `json:"-"` // it stands behind a break of the chain, or at it
}

// Line gives the event as its line of the trail, without the line's end, and its
// sum.
func (e Event) Line() (line []byte, sum string, err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it is no page, and a rule may be full of such characters
	err = enc.Encode(e)
	line = bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
	return line, Sum(line), err
}

// Sum is that of a line of the trail, as the next one holds it.
func Sum(line []byte) string {
	h := sha256.Sum256(line)
	return hex.EncodeToString(h[:])
}

// MaxEvent is the longest line of a trail: a lease with all its sources and the longest
// texts is 9 KiB, and what it passes up to 41 KiB more, if it is quotes and nothing else.
const MaxEvent = 64 << 10
