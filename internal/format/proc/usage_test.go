package proc

import "testing"

func TestUsage(t *testing.T) {
	if got := CgroupUsage([]byte("usage_usec 7264000000\nuser_usec 1\nsystem_usec 2\nnr_periods 0\n")); got != 7264 {
		t.Error(got)
	}
	if got := CPUAcctUsage([]byte("1500000000\n")); got != 1.5 {
		t.Error(got)
	}
	for _, bad := range []string{"", "usage_usec\n", "-1\n", "x"} {
		if a, b := CgroupUsage([]byte(bad)), CPUAcctUsage([]byte(bad)); a != 0 || b != 0 {
			t.Errorf("%q: %v %v", bad, a, b)
		}
	}
}
