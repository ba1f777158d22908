package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestShapeOf(t *testing.T) {
	const second = time.Second
	at := func(used time.Duration, voluntary uint64, cpus, policy, nice int) thread {
		return thread{start: 1, used: used, voluntary: voluntary, cpus: cpus, policy: policy, nice: nice}
	}
	for name, c := range map[string]struct {
		before, after map[string]thread
		want          *fact.Shape
	}{
		"nobody worked": {map[string]thread{"1": at(5, 1, 2, 0, 0)}, map[string]thread{"1": at(5, 9, 2, 0, 0)}, nil},
		"gone":          {map[string]thread{"1": at(5, 1, 2, 0, 0)}, nil, nil},
		"one":           {map[string]thread{"1": at(0, 1, 1, 0, 0)}, map[string]thread{"1": at(second, 1, 1, 0, 0)}, &fact.Shape{Busy: 1, Pinned: 1, Ready: 100, Policy: "other", SampleMS: 1000}},
		"a miner": {
			map[string]thread{"1": at(0, 1, 2, 0, 0), "2": at(0, 3, 1, 5, 19), "3": at(second, 3, 1, 5, 19)},
			map[string]thread{"1": at(second/100, 91, 2, 0, 0), "2": at(second, 3, 1, 5, 19), "3": at(2*second-second/20, 4, 1, 5, 19)},
			&fact.Shape{Busy: 2, Pinned: 2, Even: true, Switches: 1, Ready: 100, Policy: "idle", Nice: 19, SampleMS: 1000},
		},
		"a server": {
			map[string]thread{"1": at(0, 0, 2, 0, 0), "2": at(0, 0, 2, 0, -5), "3": at(0, 0, 2, 3, 0)},
			map[string]thread{"1": at(second/2, 400, 2, 0, 0), "2": at(second*33/100, 300, 2, 0, -5), "3": at(second/4, 200, 2, 3, 0)},
			&fact.Shape{Busy: 3, Switches: 300, Ready: 33, Policy: "mixed", SampleMS: 1000},
		},
		"one that others keep from the CPU": {
			map[string]thread{"1": {start: 1, waited: second, cpus: 2}, "2": {start: 1, waited: second, cpus: 2}},
			map[string]thread{"1": {start: 1, used: second / 4, waited: 2 * second, cpus: 2}, "2": {start: 1, used: second / 4, waited: second + second/2, cpus: 2}},
			&fact.Shape{Busy: 2, Even: true, Ready: 100, Policy: "other", SampleMS: 1000},
		},
		"a number that another thread has now": {
			map[string]thread{"1": at(0, 0, 2, 0, 0), "2": at(0, 0, 2, 0, 0)},
			map[string]thread{"1": at(second, 0, 2, 0, 0), "2": {start: 2, used: second, policy: -1}},
			&fact.Shape{Busy: 1, Ready: 100, Policy: "other", SampleMS: 1000},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, shapeOf(c.before, c.after, second)); d != "" {
				t.Error(d)
			}
		})
	}
}
