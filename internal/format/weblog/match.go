package weblog

import (
	"fmt"
	"regexp"
	"slices"

	"demine/internal/format/logscan"
)

// Rule is what to look for: any of the anchors in the line as it is, then the
// pattern in the Plain line, letters in both cases.
type Rule struct {
	Anchors []string
	Pattern string
}

// Matcher finds the rules that a line answers to. It is not safe for
// concurrent use.
type Matcher struct {
	scan  *logscan.Scanner
	rules [][]int // of each anchor
	res   []*regexp.Regexp
	tried []int
}

// NewMatcher compiles rules; an error names the one that is wrong.
func NewMatcher(rules []Rule) (*Matcher, error) {
	m := &Matcher{}
	var anchors []string
	for i, r := range rules {
		re, err := regexp.Compile("(?i)" + r.Pattern)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		m.res = append(m.res, re)
		for _, a := range r.Anchors {
			at := slices.Index(anchors, a)
			if at < 0 {
				at = len(anchors)
				anchors, m.rules = append(anchors, a), append(m.rules, nil)
			}
			m.rules[at] = append(m.rules[at], i)
		}
	}
	var err error
	m.scan, err = logscan.New(anchors, true)
	return m, err
}

// Scanner finds the lines that Match is to be asked about.
func (m *Matcher) Scanner() *logscan.Scanner { return m.scan }

// maxMatched is how much of a line the patterns are searched in.
const maxMatched = 8 << 10

// Match gives the numbers of the rules that a line answers to, the line
// without escapes, and where in it the first one was found.
func (m *Matcher) Match(l logscan.Line) (rules []int, plain string, at int) {
	m.tried = m.tried[:0]
	for _, a := range l.Anchors {
		for _, r := range m.rules[a] {
			if slices.Contains(m.tried, r) {
				continue
			}
			m.tried = append(m.tried, r)
			if plain == "" {
				plain = Plain(l.Text[:min(len(l.Text), maxMatched)])
			}
			if loc := m.res[r].FindStringIndex(plain); loc != nil {
				if len(rules) == 0 {
					at = loc[0]
				}
				rules = append(rules, r)
			}
		}
	}
	return rules, plain, at
}
