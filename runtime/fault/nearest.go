package fault

// Nearest is the candidate that typed was probably meant to be, or empty when
// none is close: at most a third of its letters changed, added, dropped or
// swapped with a neighbour, and never all of them.
func Nearest(typed string, candidates []string) string {
	best, limit := "", max(1, len(typed)/3)+1
	for _, c := range candidates {
		if c == typed {
			continue
		}
		if d := distance(typed, c, limit); d < min(limit, max(len(typed), len(c))) {
			best, limit = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of a and b, or limit when it
// is not below it.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
