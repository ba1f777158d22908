package report

import (
	"demine/internal/explain"
	"demine/internal/fact"
)

// surroundings are the rows of a process that say which container it runs in
// and which pool it was heard to talk to.
func (p *printer) surroundings(im *explain.Implant) []row {
	var rs []row
	if im.Container != nil {
		rs = append(rs, row{"container", p.container(im.Container), 2})
	}
	for _, f := range im.Flows {
		if f.Role == "client" {
			return append(rs, row{"pool", p.flow(f), 2})
		}
	}
	return rs
}

func (p *printer) container(c *fact.Container) string {
	name := c.Name
	if name == "" {
		name = c.ID[:min(12, len(c.ID))] // as Docker shows it
	}
	parts := []string{fit(p.host(name), longName, p.dots())}
	for _, x := range []struct{ id, name, value string }{
		{"container.pod", "pod", c.Pod}, {"container.image", "image", c.Image},
		{"container.project", "project", c.Project}, {"container.restart", "restart", c.Restart},
	} {
		if x.value != "" {
			parts = append(parts, fit(p.say(x.id, x.name, x.value), longName, p.dots()))
		}
	}
	if c.Privileged {
		parts = append(parts, p.say("container.privileged"))
	}
	return join(p.sep(), parts...)
}

func (p *printer) flow(f *fact.Flow) string {
	parts := []string{p.say("flow.talk", "peer", f.Peer, "dialect", f.Dialect, "methods", f.Methods)}
	for _, i := range f.Indicators {
		if i.Kind == "wallet" {
			parts = append(parts, p.say("flow.for", "who", fit(i.Value, longName, "…")))
			break
		}
	}
	return join(p.sep(), parts...)
}
