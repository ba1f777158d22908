package explain

import (
	"fmt"
	"slices"

	"demine/internal/fact"
	"demine/internal/relate"
)

// graph draws what belongs together: door → service → planted file → job →
// process → file, and what the likeliest cause cites of processes.
func (sc *scene) graph(likeliest Cause) Graph {
	g := &grapher{x: sc.x}
	for _, d := range sc.doors {
		if d.From == "local" || d.From == "nobody" {
			continue
		}
		g.node(d.Ref, "exposure", d.Listener)
		for _, s := range sc.services {
			if s.Process == d.Process {
				g.node(s.Ref, "service", fmt.Sprintf("%s %v", s.Name, s.Ports))
				g.edge(d.Ref, s.Ref, "listens", d.From)
			}
		}
	}
	for _, a := range sc.autostarts {
		g.autostart(a, sc.services)
	}
	for _, k := range sc.keys {
		g.node(k.Ref, "key", fmt.Sprintf("%s %s", k.Account, k.Fingerprint))
		if k.RDB != nil {
			g.written(k.Ref, sc.services)
		}
	}
	for _, p := range sc.implantProcesses() {
		g.process(p)
	}
	g.entry(sc, likeliest)
	return g.out
}

type grapher struct {
	x   *relate.Index
	out Graph
}

func (g *grapher) node(r fact.Ref, kind, label string) {
	if !slices.ContainsFunc(g.out.Nodes, func(n Node) bool { return n.Ref == r }) {
		g.out.Nodes = append(g.out.Nodes, Node{Ref: r, Kind: kind, Label: label})
	}
}

func (g *grapher) edge(from, to fact.Ref, kind, why string) {
	e := Edge{From: from, To: to, Kind: kind, Why: why}
	if !slices.Contains(g.out.Edges, e) {
		g.out.Edges = append(g.out.Edges, e)
	}
}

func (g *grapher) written(r fact.Ref, services []*fact.Service) {
	for _, s := range services {
		if s.Name == "redis" {
			g.edge(s.Ref, r, "wrote", "rdb")
		}
	}
}

func (g *grapher) autostart(a *fact.Autostart, services []*fact.Service) {
	g.node(a.Ref, "autostart", fmt.Sprintf("%s:%d", a.Origin.Path, a.Origin.Line))
	if a.RDB != nil {
		g.written(a.Ref, services)
	}
	if s := g.x.ScheduleOf(a.Ref); s != nil {
		for _, st := range s.Started {
			if p := g.x.Process(st.Process); p != nil {
				g.process(p)
				g.edge(a.Ref, p.Ref, "started", st.By)
			}
		}
	}
}

func (g *grapher) process(p *fact.Process) {
	g.node(p.Ref, "process", fmt.Sprintf("%d %s", p.PID, p.Exe))
	if f := g.x.Image(p); f != nil {
		g.node(f.Ref, "file", f.Path.String())
		g.edge(p.Ref, f.Ref, "runs", "")
	}
	for _, q := range g.x.Children(p) {
		g.node(q.Ref, "process", fmt.Sprintf("%d %s", q.PID, q.Exe))
		g.edge(p.Ref, q.Ref, "started", "parent")
	}
}
