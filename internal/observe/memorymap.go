package observe

import (
	"cmp"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

// Sizes of RandomX's parts (configuration.h: RANDOMX_DATASET_BASE_SIZE and
// EXTRA_SIZE, RANDOMX_ARGON_MEMORY, RANDOMX_SCRATCHPAD_L3). Allocators round up
// to pages, and mappings that lie side by side become one.
const (
	rxDataset    = 2080 << 20
	rxCache      = 256 << 20
	rxScratchpad = 2 << 20
	hugePage     = 2 << 20
)

// area is a mapping that is worth searching.
type area struct {
	from, to uint64
	where    string // see fact.Pattern
	rank     int    // lower is searched first
	most     int64  // bytes of it
}

// Ranks of areas: what runs and has no file, then settings and what was said to
// others, then libraries from elsewhere, last the beginnings of what is large.
const (
	rankCode = iota
	rankSmall
	rankLibrary
	rankLarge
)

// layout is what /proc/PID/maps tells.
type layout struct {
	memory fact.Memory
	areas  []area
}

// layoutOf reads the map of a process. Its image is searched again in memory
// only if it is packed: otherwise that has been done on disk.
func layoutOf(text []byte, p *fact.Process, packed bool) layout {
	const mostAreas = 4096 // a process can have 65,530 mappings (vm.max_map_count), many of them tiny
	var l layout
	outside := map[fact.Path]bool{}
	const user = 1 << 57 // where the kernel's own addresses are far above (5-level paging)
	for m := range proc.Maps(text) {
		if m.End <= user && m.Exec && m.Inode != 0 && !fileless(m) && m.Path != p.Exe && !systemFolder(m.Path) && len(outside) < 64 {
			outside[m.Path] = true
		}
	}
	for m := range proc.Maps(text) {
		if m.End > user {
			continue
		}
		l.measure(m)
		if a, ok := worthSearching(m, p, packed, outside); ok && len(l.areas) < mostAreas {
			l.areas = append(l.areas, a)
		} else if ok {
			l.memory.Scanned = "part"
		}
	}
	for f := range outside {
		l.memory.Libraries = append(l.memory.Libraries, f)
	}
	slices.Sort(l.memory.Libraries)
	slices.SortStableFunc(l.areas, func(a, b area) int { return cmp.Compare(a.rank, b.rank) })
	return l
}

// widen lets all of every area be read, the smaller ones first: settings and
// words lie in a small heap beside the large one that a runtime collects.
func (l *layout) widen(most int64) {
	for i := range l.areas {
		l.areas[i].most = max(l.areas[i].most, most)
	}
	slices.SortStableFunc(l.areas, func(a, b area) int {
		if c := cmp.Compare(a.rank, b.rank); c != 0 || a.rank != rankLarge {
			return c
		}
		return cmp.Compare(a.to-a.from, b.to-b.from)
	})
}

// measure counts what the sizes tell.
func (l *layout) measure(m proc.Mapping) {
	if !fileless(m) || notMemory(m) {
		return
	}
	size := int64(m.Size())
	if m.Exec {
		l.memory.Code += size
		if m.Write {
			l.memory.CodeWritable += size
		}
	}
	if hugeFile(m.Path) {
		l.memory.Huge += size
	}
	switch {
	case !m.Write || m.Exec:
	case isDataset(m):
		l.memory.Dataset = true
	case size >= rxCache && size <= rxCache+hugePage:
		l.memory.Cache = true
	case size >= rxScratchpad && size <= rxScratchpad+2*4096:
		l.memory.Scratchpads++
	}
}

// isDataset: of the size of RandomX's dataset, also together with the cache, or
// rounded up to pages of 1 GiB.
func isDataset(m proc.Mapping) bool {
	size := int64(m.Size())
	rounded := func(n int64) bool { return size >= n && size <= n+2*hugePage }
	return rounded(rxDataset) || rounded(rxDataset+rxCache) || hugeFile(m.Path) && size == 3<<30
}

// fileless: no file on a disk holds it.
func fileless(m proc.Mapping) bool {
	p := string(m.Path)
	return m.Inode == 0 || strings.HasPrefix(p, "/memfd:") || strings.HasPrefix(p, "/SYSV") || p == "/dev/zero" || hugeFile(m.Path)
}

// hugeFile: pages of hugetlbfs, without a file or where it is mounted usually.
func hugeFile(p fact.Path) bool {
	return p == "/anon_hugepage" || strings.HasPrefix(string(p), "/dev/hugepages/")
}

// systemFolder: what packages install libraries in.
func systemFolder(p fact.Path) bool {
	s := string(p)
	if strings.HasPrefix(s, "/usr/local/") {
		return false
	}
	return slices.ContainsFunc([]string{"/usr/", "/lib/", "/lib64/", "/lib32/", "/bin/", "/sbin/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/"},
		func(f string) bool { return strings.HasPrefix(s, f) })
}

// worthSearching leaves out what is the same on disk, the pages of the kernel
// ([vdso]), the dataset, and devices, of which reading may have effects.
func worthSearching(m proc.Mapping, p *fact.Process, packed bool, outside map[fact.Path]bool) (area, bool) {
	a := area{from: m.Start, to: m.End, where: where(m), rank: rankSmall, most: maxArea}
	own := m.Inode != 0 && m.Path == p.Exe
	switch {
	case !m.Read || notMemory(m) || isDataset(m) && !m.Exec:
		return a, false
	case own && !packed && !m.Write:
		return a, false
	case own, fileless(m):
		if a.where == fact.WhereCode {
			a.rank = rankCode
		}
	case m.Deleted, outside[m.Path]:
		a.rank = rankLibrary
	case m.Shared || !m.Write: // as it is on disk
		return a, false
	}
	if m.Size() > maxArea && a.where == fact.WhereData {
		a.rank, a.most = rankLarge, maxSample
	}
	return a, true
}

// notMemory: names without a slash are the kernel's own (anon_inode:, socket:),
// but for those of plain memory.
func notMemory(m proc.Mapping) bool {
	p := string(m.Path)
	switch {
	case p == "", p == "[heap]", strings.HasPrefix(p, "[stack"), strings.HasPrefix(p, "[anon"):
		return false
	case fileless(m) && p[0] == '/':
		return false
	case strings.HasPrefix(p, "/dev/"):
		return !strings.HasPrefix(p, "/dev/shm/")
	}
	return p[0] != '/' || strings.HasPrefix(p, "/sys/") || strings.HasPrefix(p, "/proc/")
}

func where(m proc.Mapping) string {
	switch {
	case m.Exec:
		return fact.WhereCode
	case !m.Write:
		return fact.WhereFixed
	}
	return fact.WhereData
}
