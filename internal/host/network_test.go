package host

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// item is an attribute of netlink.
func item(typ uint16, v ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
	return append(binary.NativeEndian.AppendUint16(b, typ), v...)
}

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// A second uplink has its default route in a table of its own, or is the second
// of several ways.
func TestAddRoute(t *testing.T) {
	route := func(bits, table byte, attrs ...[]byte) []byte {
		return append([]byte{unix.AF_INET, bits, 0, 0, table, 0, 0, unix.RTN_UNICAST, 0, 0, 0, 0}, bytes.Join(attrs, nil)...)
	}
	hop := func(dev uint32, gateway ...byte) []byte {
		v := item(unix.RTA_GATEWAY, gateway...)
		b := binary.NativeEndian.AppendUint16(nil, uint16(8+len(v)))
		return append(append(append(b, 0, 0), u32(dev)...), v...)
	}
	ten := item(unix.RTA_DST, 10, 0, 0, 0)
	var n fact.Network
	for _, b := range [][]byte{
		route(0, unix.RT_TABLE_MAIN, item(unix.RTA_MULTIPATH, append(hop(2, 192, 0, 2, 1), hop(3, 198, 51, 100, 1)...)...)),
		route(0, 100, item(unix.RTA_OIF, u32(4)...)),
		route(0, unix.RT_TABLE_COMPAT, item(unix.RTA_TABLE, u32(1000)...), item(unix.RTA_OIF, u32(5)...)),
		route(8, 100, ten, item(unix.RTA_OIF, u32(4)...)),
		route(8, unix.RT_TABLE_MAIN, ten, item(unix.RTA_OIF, u32(4)...)),
		route(0, unix.RT_TABLE_LOCAL, item(unix.RTA_OIF, u32(1)...)),
	} {
		if err := addRoute(&n, b); err != nil {
			t.Fatal(err)
		}
	}
	all, a := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr
	want := []fact.Route{
		{Dst: all, Via: a("192.0.2.1"), Dev: 2}, {Dst: all, Via: a("198.51.100.1"), Dev: 3}, {Dst: all, Dev: 4, Table: 100}, {Dst: all, Dev: 5, Table: 1000},
		{Dst: netip.MustParsePrefix("10.0.0.0/8"), Dev: 4},
	}
	if !slices.Equal(n.Routes, want) {
		t.Errorf("%+v", n.Routes)
	}
}

func TestVirtual(t *testing.T) {
	const head = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
	if virtual([]byte(head)) || !virtual([]byte(head+"TCP  C633640A:7530 rr\n  -> AC110002:1F90      Masq    1      0          0\n")) {
		t.Error("a service is not told from none")
	}
}

// FuzzNetwork: whatever a kernel answers, nothing is read behind the end of a
// message, and what is kept has its bounds.
func FuzzNetwork(f *testing.F) {
	link := append(make([]byte, 16), 8, 0, 3, 0, 'l', 'o', 0, 0)
	f.Add(append(binary.NativeEndian.AppendUint32(nil, uint32(16+len(link))), append(make([]byte, 12), link...)...))
	f.Add([]byte{16, 0, 0, 0, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var n fact.Network
		_, _ = eachMessage(b, 0, func(m []byte) {
			for _, add := range []func(*fact.Network, []byte) error{addLink, addAddress, addRoute, addRoutingMark} {
				if err := add(&n, m); err != nil && err != ErrMany {
					t.Fatal(err)
				}
			}
		})
		if len(n.Interfaces) > maxInterfaces || len(n.Routes) > maxRoutes || len(n.Marks) > maxMarks {
			t.Fatalf("%d interfaces, %d routes, %d marks", len(n.Interfaces), len(n.Routes), len(n.Marks))
		}
		for _, r := range n.Routes {
			if !r.Dst.IsValid() || r.Dev == 0 {
				t.Fatalf("route %+v", r)
			}
		}
	})
}
