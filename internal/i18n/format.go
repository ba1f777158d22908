package i18n

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Formats are the words that may follow the colon of a placeholder:
//
//	int       a whole number
//	percent   71 % (71% in Chinese)
//	cpu       percent of one CPU as a number of cores: 190 → 1.9
//	time      15:04:05 in the host's zone, with the date when on another day
//	duration  seconds, or a time.Duration: 37 min
//	bytes     1.5 GiB
//	path      a file name, in quotation marks when it has blanks
//	quote     a text of the host in quotation marks
//	list      a, b and 3 more
//	word      a code that has a text of its own, "word.<code>"
//
// {n:process|processes} gives the first word for one and the second otherwise.
var Formats = []string{"int", "percent", "cpu", "time", "duration", "bytes", "path", "quote", "list", "word"}

// Longest text of the host within a sentence, in characters, and how many
// items of a list are named.
const (
	longest  = 400
	listItem = 5
)

func (c *Catalogue) value(v any, format string, depth int) string {
	if one, many, ok := strings.Cut(format, "|"); ok {
		if n, ok := number(v); ok && n == 1 {
			return one
		}
		return many
	}
	if n, ok := number(v); ok && format != "time" {
		if s, ok := c.amount(n, format); ok {
			return s
		}
	}
	switch format {
	case "time":
		if t, ok := moment(v); ok {
			return c.clock(t)
		}
	case "duration":
		if d, ok := v.(time.Duration); ok {
			return c.length(d.Seconds())
		}
	case "quote":
		return c.quoted(c.bare(v, depth))
	case "path": // a blank in a name must not look like our own words
		s := c.bare(v, depth)
		if strings.Contains(s, " ") {
			return c.quoted(s)
		}
		return s
	case "word":
		if s := fmt.Sprint(v); c.Has("word." + s) {
			return c.text["word."+s]
		}
	}
	return c.bare(v, depth)
}

// amount formats a number; false when the format is not one for numbers.
func (c *Catalogue) amount(n float64, format string) (string, bool) {
	switch format {
	case "int":
		return strconv.FormatFloat(math.Round(n), 'f', 0, 64), true
	case "percent":
		return strconv.FormatFloat(math.Round(n), 'f', 0, 64) + c.pick(" %", "%"), true
	case "cpu":
		return strconv.FormatFloat(n/100, 'f', 1, 64), true
	case "duration":
		return c.length(n), true
	case "bytes":
		return size(n), true
	}
	return "", false
}

// bare formats a value by what it is.
func (c *Catalogue) bare(v any, depth int) string {
	switch v := v.(type) {
	case string:
		return shown(v)
	case Message:
		return c.sentence(v, depth+1)
	case time.Time:
		return c.clock(v)
	case time.Duration:
		return c.length(v.Seconds())
	case map[string]any: // a Message that was JSON
		if id, ok := v["id"].(string); ok {
			args, _ := v["args"].(map[string]any)
			return c.sentence(Message{ID: id, Args: args}, depth+1)
		}
	case fmt.Stringer:
		return shown(fmt.Sprint(v))
	}
	if n, ok := number(v); ok {
		return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64)
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice || r.Kind() == reflect.Array {
		return c.list(r, depth)
	}
	return shown(fmt.Sprint(v))
}

func (c *Catalogue) list(r reflect.Value, depth int) string {
	if depth > maxNesting {
		return "…"
	}
	var items []string
	for i := range min(r.Len(), listItem) {
		items = append(items, c.bare(r.Index(i).Interface(), depth+1))
	}
	s := strings.Join(items, c.pick(", ", "、"))
	switch n := r.Len(); {
	case n == 0:
		return c.pick("none", "无")
	case n > listItem:
		return s + c.pick(fmt.Sprintf(" and %d more", n-listItem), fmt.Sprintf(" 等 %d 项", n))
	}
	return s
}

// shown sanitises and caps what the host said.
func shown(s string) string {
	if len(s) > longest {
		if r := []rune(s); len(r) > longest {
			s = string(r[:longest]) + "…"
		}
	}
	return Clean(s)
}

func (c *Catalogue) quoted(s string) string { return c.pick(`"`+s+`"`, "“"+s+"”") }

func (c *Catalogue) pick(en, zh string) string {
	if c.lang == Chinese {
		return zh
	}
	return en
}

// clock shows a moment in the host's zone.
func (c *Catalogue) clock(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	t = t.In(c.now.Location())
	if c.now.IsZero() || t.YearDay() != c.now.YearDay() || t.Year() != c.now.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("15:04:05")
}

// length shows a number of seconds as people say it.
func (c *Catalogue) length(sec float64) string {
	unit := func(n float64, en, zh string) string {
		return strconv.FormatFloat(n, 'f', 0, 64) + " " + c.pick(en, zh)
	}
	sec = max(0, sec)
	switch {
	case sec < 10:
		return strconv.FormatFloat(math.Round(sec*10)/10, 'f', -1, 64) + " " + c.pick("s", "秒")
	case sec < 60:
		return unit(math.Floor(sec), "s", "秒")
	case sec < 2*3600:
		return unit(math.Floor(sec/60), "min", "分钟")
	case sec < 48*3600:
		h := math.Floor(sec / 3600)
		hours, minutes := unit(h, "h", "小时"), math.Floor((sec-h*3600)/60)
		if minutes == 0 {
			return hours
		}
		return hours + " " + unit(minutes, "min", "分钟")
	}
	return unit(math.Floor(sec/86400), "days", "天")
}

func size(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	if i == 0 || n >= 100 {
		return strconv.FormatFloat(n, 'f', 0, 64) + " " + units[i]
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " " + units[i]
}

// number takes any kind of number; what is not finite is none.
func number(v any) (float64, bool) {
	if _, ok := v.(time.Duration); ok {
		return 0, false
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(r.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(r.Uint()), true
	case reflect.Float32, reflect.Float64:
		f := r.Float()
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}

// moment takes a time, or the text that a time has in JSON.
func moment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case *time.Time:
		if v != nil {
			return *v, true
		}
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t, err == nil
	}
	return time.Time{}, false
}
