package backup

import (
	"fmt"
	"time"
)

// Policy says which archives to keep: the newest N, and the newest of each of
// the last N days, weeks (ISO 8601) and months in which there is one.
type Policy struct{ Last, Daily, Weekly, Monthly int }

// Keeps tells whether the policy keeps anything at all.
func (p Policy) Keeps() bool { return p.Last+p.Daily+p.Weekly+p.Monthly > 0 }

// Choose gives, for each archive of a list as Stores makes it, the reasons to
// keep it; none: it can go. Each instance is looked at by itself. Days are
// those of UTC, as the names are.
func (p Policy) Choose(all []Stored) [][]string {
	reasons := make([][]string, len(all))
	rules := []struct {
		name  string
		count int
		of    func(i int, t time.Time) string
	}{
		{"last", p.Last, func(i int, _ time.Time) string { return fmt.Sprint(i) }},
		{"daily", p.Daily, func(_ int, t time.Time) string { return t.Format("2006-01-02") }},
		{"weekly", p.Weekly, func(_ int, t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }},
		{"monthly", p.Monthly, func(_ int, t time.Time) string { return t.Format("2006-01") }},
	}
	for _, rule := range rules {
		seen := map[string]map[string]bool{} // instance -> day, week, month
		for i, s := range all {
			mine := seen[s.Instance]
			if mine == nil {
				mine = map[string]bool{}
				seen[s.Instance] = mine
			}
			bucket := rule.of(i, s.Time.UTC())
			if len(mine) < rule.count && !mine[bucket] {
				mine[bucket] = true
				reasons[i] = append(reasons[i], rule.name)
			}
		}
	}
	return reasons
}
