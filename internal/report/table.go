package report

import "strings"

// table writes rows with aligned columns, two spaces apart; a cell that is
// wider than its limit is cut, and a column as wide as what is left of its cells. The
// last column takes what is left of the line.
func (p *printer) table(indent int, limits []int, rows [][]string) {
	p.tableBelow(indent, limits, rows, func(int) {})
}

// tableBelow is a table of which below writes what belongs under a row; that with the
// number 0 is the head.
func (p *printer) tableBelow(indent int, limits []int, rows [][]string, below func(int)) {
	widths := make([]int, len(limits))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], columns(fit(cell, limits[i], p.dots())))
		}
	}
	for n, r := range rows {
		line := p.tableLine(indent, widths, r)
		if n == 0 {
			line = p.paint(line, dim)
		}
		p.b.WriteString(line + "\n")
		below(n)
	}
}

// needed is how wide the columns of rows are.
func needed(rows [][]string) []int {
	need := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			need[i] = max(need[i], columns(cell))
		}
	}
	return need
}

func (p *printer) tableLine(indent int, widths []int, cells []string) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", indent))
	used := indent
	for i, cell := range cells {
		if i > 0 {
			b.WriteString("  ")
			used += 2
		}
		w := widths[i]
		if i == len(cells)-1 {
			w = max(8, p.max-used)
			b.WriteString(fit(cell, w, p.dots()))
			break
		}
		b.WriteString(pad(fit(cell, w, p.dots()), w))
		used += w
	}
	return strings.TrimRight(b.String(), " ")
}
