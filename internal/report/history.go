package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"demine/internal/respond"
)

// Runs writes the runs of a host as a table, newest first.
func Runs(w io.Writer, rs []respond.Run, o Options) error {
	p := newChangePrinter(o)
	if len(rs) == 0 {
		p.hang("", p.say("history.none"), 0)
		return p.flush(w)
	}
	rows := [][]string{{p.say("history.col.run"), p.say("history.col.when"), p.say("history.col.kind"),
		p.say("history.col.state"), p.say("history.col.steps"), p.say("history.col.from")}}
	for _, r := range newest(rs) {
		rows = append(rows, p.historyRow(&r))
	}
	limits := []int{6, 23, 11, 15, 7, 40}
	if p.max < 72 { // no room for all of it: from where is in demine show
		limits = []int{6, 12, 7, 12, 5}
		for i := range rows {
			rows[i] = rows[i][:len(limits)]
		}
	}
	p.table(0, limits, rows)
	p.blank()
	p.hang("", p.say("history.next"), 0)
	return p.flush(w)
}

func (p *printer) historyRow(r *respond.Run) []string {
	done, _ := tally(r)
	command, _, _ := strings.Cut(r.Plan.Name(), " O-") // of which rule is in demine show
	state := r.State
	if p.c.Has("history.state." + state) {
		state = p.say("history.state." + state)
	}
	return []string{p.host(r.ID), p.clock(r.Began), p.host(command), p.host(state),
		fmt.Sprintf("%d/%d", done, len(r.Plan.Steps)), p.by(&r.By)}
}

// by is from where a run was applied, and by whom if not by root.
func (p *printer) by(o *respond.Operator) string {
	from := p.say("run.from.none")
	if o.Peer != "" {
		from = p.host(o.Peer)
	}
	if o.UID == 0 {
		return from
	}
	return p.who(o) + " " + from
}

// newest orders runs by when they began; those of one moment by their number.
func newest(rs []respond.Run) []respond.Run {
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b respond.Run) int {
		return cmp.Or(b.Began.Compare(a.Began), runNumber(b.ID)-runNumber(a.ID))
	})
	return rs
}

func runNumber(id string) int {
	n, err := strconv.Atoi(strings.TrimLeft(id, "R"))
	if err != nil {
		return 0
	}
	return n
}
