package main

import "fmt"

// bar is what is asked of a job.
type bar struct {
	text  string
	judge func(b *bench, all []series) verdict
}

// verdict says whether a bar holds.
type verdict struct {
	Bar   string `json:"bar"`
	Seen  string `json:"seen"`
	Holds string `json:"holds"` // "yes", "no" or "unknown"
}

// word makes the verdict of a measured and an allowed figure.
func word(text string, seen, most float64, format string, args ...any) verdict {
	v := verdict{Bar: text, Seen: fmt.Sprintf(format, args...), Holds: "no"}
	if seen <= most {
		v.Holds = "yes"
	}
	return v
}

func find(all []series, name string) (series, bool) {
	for _, s := range all {
		if s.Name == name {
			return s, true
		}
	}
	return series{}, false
}

// against is a bar on the ratio of a figure of policy to that of another program.
func against(text, name string, most float64, figure func(series) float64) bar {
	return bar{text, func(_ *bench, all []series) verdict {
		other, ok := find(all, name)
		if !ok {
			return verdict{text, "no " + name + " here", "unknown"}
		}
		ratio := figure(all[0]) / figure(other)
		return word(text, ratio, most, "%.2f × %s", ratio, name)
	}}
}

// timeAgainst allows policy most times the time of the program.
func timeAgainst(name string, most float64) bar {
	return against(fmt.Sprintf("≤ %.2g × %s", most, name), name, most, series.time)
}

// rateAgainst asks for least times the throughput of the program.
func rateAgainst(name string, least float64) bar {
	b := against(fmt.Sprintf("throughput ≥ %.2f × %s", least, name), name, 1/least, series.time)
	judge := b.judge
	b.judge = func(bench *bench, all []series) verdict {
		v := judge(bench, all)
		if other, ok := find(all, name); ok {
			v.Seen = fmt.Sprintf("%.2f × %s", other.time()/all[0].time(), name)
		}
		return v
	}
	return b
}

// memoryAgainst allows policy most times the peak memory of the program.
func memoryAgainst(name string, most float64) bar {
	return against(fmt.Sprintf("RSS ≤ %.2g × %s", most, name), name, most, series.memory)
}

// bestOf allows policy the time of the fastest of the programs.
func bestOf(names ...string) bar {
	const text = "≤ the best peer"
	return bar{text, func(_ *bench, all []series) verdict {
		var best series
		for _, name := range names {
			if s, ok := find(all, name); ok && (best.Name == "" || s.time() < best.time()) {
				best = s
			}
		}
		if best.Name == "" {
			return verdict{text, "no peer here", "unknown"}
		}
		ratio := all[0].time() / best.time()
		return word(text, ratio, 1, "%.2f × %s", ratio, best.Name)
	}}
}

// memoryAtMost is a bar on policy's own peak memory, in MB.
func memoryAtMost(mb float64) bar {
	text := fmt.Sprintf("RSS ≤ %g MB", mb)
	return bar{text, func(_ *bench, all []series) verdict {
		seen := all[0].memory() / 1e6
		return word(text, seen, mb, "%.1f MB", seen)
	}}
}

// timeAtMost is a bar in milliseconds of the reference machine.
func timeAtMost(ms float64) bar { return scaled("≤ "+duration(ms/1e3), ms) }

// yardstick is the program that tells how slow the machine is, when it runs in
// turn with those of a job.
const yardstick = "opa version"

// slowness is by how much this machine, in this job if the yardstick is part of
// it, is slower than the reference: 1 if it is not.
func (b *bench) slowness(all []series) float64 {
	if s, ok := find(all, yardstick); ok {
		return max(1, s.time()/reference)
	}
	return b.scale
}

// scaled is a bar in milliseconds, widened by as much as this machine is slower
// than the reference.
func scaled(text string, ms float64) bar {
	return bar{text, func(b *bench, all []series) verdict {
		seen, most := all[0].time(), ms/1e3*b.slowness(all)
		return word(text, seen, most, "%s, of %s here", duration(seen), duration(most))
	}}
}

// over allows policy so many milliseconds more than the program.
func over(name string, ms float64) bar {
	text := fmt.Sprintf("≤ %s + %g ms", name, ms)
	return bar{text, func(b *bench, all []series) verdict {
		other, ok := find(all, name)
		if !ok {
			return verdict{text, "not measured", "unknown"}
		}
		seen, most := all[0].time()-other.time(), ms/1e3*b.slowness(all)
		return word(text, seen, most, "+ %s, of %s here", duration(seen), duration(most))
	}}
}

// bytesAtMost is a bar on the size of policy's executable, in MB.
func bytesAtMost(mb float64) bar {
	text := fmt.Sprintf("≤ %g MB", mb)
	return bar{text, func(_ *bench, all []series) verdict {
		seen := float64(all[0].Bytes) / 1e6
		return word(text, seen, mb, "%.1f MB", seen)
	}}
}
