package host

import (
	"encoding/binary"
	"testing"

	"demine/internal/fact"
)

// FuzzNetwork: whatever a kernel answers, nothing is read behind the end of a
// message, and what is kept has its bounds.
func FuzzNetwork(f *testing.F) {
	link := append(make([]byte, 16), 8, 0, 3, 0, 'l', 'o', 0, 0)
	f.Add(append(binary.NativeEndian.AppendUint32(nil, uint32(16+len(link))), append(make([]byte, 12), link...)...))
	f.Add([]byte{16, 0, 0, 0, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var n fact.Network
		_, _ = eachMessage(b, 0, func(m []byte) {
			for _, add := range []func(*fact.Network, []byte) error{addLink, addAddress, addRoute} {
				if err := add(&n, m); err != nil && err != ErrMany {
					t.Fatal(err)
				}
			}
		})
		if len(n.Interfaces) > maxInterfaces || len(n.Routes) > maxRoutes {
			t.Fatalf("%d interfaces, %d routes", len(n.Interfaces), len(n.Routes))
		}
		for _, r := range n.Routes {
			if !r.Dst.IsValid() || r.Dev == 0 {
				t.Fatalf("route %+v", r)
			}
		}
	})
}
