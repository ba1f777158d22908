package proc

import (
	"bytes"

	"demine/internal/fact"
)

// DRMUse is what a graphics driver tells of one open file
// (Documentation/gpu/drm-usage-stats.rst).
type DRMUse struct {
	Driver string
	Device string // on the bus; empty when it has none
	Client uint64 // files with the same Device and Client are one: dup(2)
	Engine uint64 // nanoseconds that all engines together were busy for it
}

// DRM reads /proc/PID/fdinfo/FD of a graphics card; false for other files.
// Drivers that count cycles only (xe) give no Engine.
func DRM(b []byte) (DRMUse, bool) {
	var u DRMUse
	for key, val := range pairs(b) {
		switch {
		case string(key) == "drm-driver":
			u.Driver = fact.Text(val[:min(len(val), 32)])
		case string(key) == "drm-pdev":
			u.Device = fact.Text(val[:min(len(val), 32)])
		case string(key) == "drm-client-id":
			u.Client, _ = Uint(val)
		case bytes.HasPrefix(key, []byte("drm-engine-")) && bytes.HasSuffix(val, []byte(" ns")):
			n, _ := Uint(val[:len(val)-3])
			u.Engine += min(n, 1<<62-min(u.Engine, 1<<62))
		}
	}
	return u, u.Driver != ""
}
