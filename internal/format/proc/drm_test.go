package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Texts as Documentation/gpu/i915.rst and amdgpu's driver-misc show them.
const (
	i915Text = "pos:\t0\nflags:\t0100002\nmnt_id:\t21\nino:\t1055\ndrm-driver:\ti915\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:02.0\n" +
		"drm-total-system0:\t129280 KiB\ndrm-engine-render:\t9288864723 ns\ndrm-engine-copy:\t2035071108 ns\ndrm-engine-video:\t0 ns\n" +
		"drm-engine-capacity-video:\t2\ndrm-engine-video-enhance:\t0 ns\n"
	amdgpuText = "pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t557\ndrm-driver:\tamdgpu\ndrm-client-id:\t42\ndrm-pdev:\t0000:0b:00.0\n" +
		"drm-memory-vram:\t4186112 KiB\ndrm-engine-gfx:\t11 ns\ndrm-engine-compute:\t123456789000 ns\n"
	xeText = "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:00:02.0\ndrm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\n"
)

func TestDRM(t *testing.T) {
	for in, want := range map[string]DRMUse{
		i915Text:   {Driver: "i915", Device: "0000:00:02.0", Client: 7, Engine: 11323935831},
		amdgpuText: {Driver: "amdgpu", Device: "0000:0b:00.0", Client: 42, Engine: 123456789011},
		xeText:     {Driver: "xe", Device: "0000:00:02.0", Client: 3},
		"drm-driver: x\ndrm-engine-a: 18446744073709551615 ns\ndrm-engine-b: 18446744073709551615 ns\n": {Driver: "x", Engine: 1 << 62},
	} {
		got, ok := DRM([]byte(in))
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%v %s", ok, d)
		}
	}
	for _, in := range []string{"", "pos:\t0\nflags:\t02\nmnt_id:\t9\n", "drm-engine-gfx: 5 ns\n"} {
		if got, ok := DRM([]byte(in)); ok {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func FuzzDRM(f *testing.F) {
	for _, s := range []string{i915Text, amdgpuText, xeText} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, ok := DRM(b)
		if u.Engine > 1<<62 || ok == (u.Driver == "") || len(u.Driver) > 4*32 {
			t.Fatalf("%+v", u)
		}
	})
}
