package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diff tells, a line for each thing, what is otherwise in b than in a. Things whose name fits a pattern of except are
// left out: * is anything, and a pattern fits what lies below it, too.
func Diff(a, b State, except ...string) (all []string) {
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, hadIt := a[name]
		is, hasIt := b[name]
		if hadIt == hasIt && slices.Equal(was, is) || patterns(except).fit(name) {
			continue
		}
		all = append(all, name+": "+change(was, is, hadIt, hasIt))
	}
	return all
}

func change(was, is []string, hadIt, hasIt bool) string {
	switch {
	case !hadIt:
		return "new: " + strings.Join(is, "; ")
	case !hasIt:
		return "no more: " + strings.Join(was, "; ")
	}
	lost, added := without(was, is), without(is, was)
	if lost == nil && added == nil {
		return "the same lines in another order"
	}
	return fmt.Sprintf("was [%s], is [%s]", strings.Join(lost, "; "), strings.Join(added, "; "))
}

// without takes from lines as many of each as there are in others.
func without(lines, others []string) (left []string) {
	count := map[string]int{}
	for _, o := range others {
		count[o]++
	}
	for _, l := range lines {
		if count[l]--; count[l] < 0 {
			left = append(left, strings.TrimSpace(l))
		}
	}
	return left
}
