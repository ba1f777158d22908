package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// TestDevices: a card that is open twice is used once; NVIDIA's driver does not
// tell how much; other devices do not count.
func TestDevices(t *testing.T) {
	const one = "drm-driver:\tamdgpu\ndrm-client-id:\t42\ndrm-pdev:\t0000:0b:00.0\ndrm-engine-compute:\t5000000000 ns\n"
	h, err := fixture.Parse([]byte(`-- kernel/identity --
name=x uid=0 self=1
-- /proc/5/stat --
5 (worker) S 1 5 5 0 -1 4194560 0 0 0 0 1 1 0 0 20 0 1 0 1000 7000000 600
-- /proc/5/status --
Uid:	0	0	0	0
-- /proc/5/exe -> /opt/worker --
-- /opt/worker --
-- /proc/5/fd/0 -> /dev/null --
-- /proc/5/fd/3 -> /dev/dri/renderD128 --
-- /proc/5/fdinfo/3 --
` + one + `-- /proc/5/fd/4 -> /dev/dri/renderD128 --
-- /proc/5/fdinfo/4 --
` + one + `-- /proc/5/fd/5 -> /dev/kfd --
-- /proc/5/fdinfo/5 --
pos:	0
-- /proc/5/fd/6 -> /dev/cpu/1/msr --
-- /proc/5/fd/7 -> socket:[77] --
-- /proc/6/stat --
6 (other) S 1 5 5 0 -1 4194560 0 0 0 0 1 1 0 0 20 0 1 0 1000 7000000 600
-- /proc/6/status --
Uid:	0	0	0	0
-- /proc/6/exe -> /opt/worker --
-- /proc/6/fd/1 -> /dev/pts/0 --
`))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, process)
	p := s.Process[0]
	want := &fact.GPU{Devices: []fact.Path{"/dev/dri/renderD128", "/dev/kfd"}, Driver: "amdgpu", Seconds: 5}
	if d := cmp.Diff(want, p.GPU); d != "" || !p.MSR || !cmp.Equal(p.Sockets, []uint64{77}) {
		t.Errorf("%v %v %s", p.MSR, p.Sockets, d)
	}
	if q := s.Process[1]; q.GPU != nil || q.MSR {
		t.Errorf("%+v", q)
	}
}
