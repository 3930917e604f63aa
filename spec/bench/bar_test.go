package main

import (
	"math"
	"testing"
)

// A judge that errs says that a bar holds when it does not, and nobody sees it.
func TestBars(t *testing.T) {
	t.Parallel()
	ran := []series{
		{Name: "policy", Seconds: []float64{9, 0.010, 0.012}, RSS: []int64{30e6, 20e6, 22e6}, Bytes: 31e6},
		{Name: "opa", Seconds: []float64{0.020, 0.016, 0.018}, RSS: []int64{40e6, 44e6, 44e6}},
		{Name: "crane", Seconds: []float64{0.011, 0.011}},
		{Name: "start", Seconds: []float64{0.010}},
	}
	for _, test := range []struct {
		bar         bar
		scale       float64
		seen, holds string
	}{
		{timeAgainst("opa", 0.67), 1, "0.67 × opa", "yes"}, // of medians, not of means
		{timeAgainst("opa", 0.6), 1, "0.67 × opa", "no"},
		{timeAgainst("conftest", 9), 1, "no conftest here", "unknown"},
		{rateAgainst("opa", 1.4), 1, "1.50 × opa", "yes"},
		{rateAgainst("opa", 1.6), 1, "1.50 × opa", "no"},
		{memoryAgainst("opa", 0.5), 1, "0.50 × opa", "yes"},
		{memoryAgainst("opa", 0.4), 1, "0.50 × opa", "no"},
		{memoryAtMost(22), 1, "22.0 MB", "yes"},
		{memoryAtMost(21), 1, "22.0 MB", "no"},
		{timeAtMost(12), 1, "12 ms, of 12 ms here", "yes"},
		{timeAtMost(8), 1, "12 ms, of 8 ms here", "no"},
		{timeAtMost(8), 1.5, "12 ms, of 12 ms here", "yes"},
		{over("start", 3), 1, "+ 2 ms, of 3 ms here", "yes"},
		{over("start", 1), 1, "+ 2 ms, of 1 ms here", "no"},
		{over("start", 1), 2.5, "+ 2 ms, of 2.5 ms here", "yes"},
		{bestOf("crane", "opa"), 1, "1.09 × crane", "no"},
		{bestOf("opa", "regctl"), 1, "0.67 × opa", "yes"},
		{bestOf("regctl"), 1, "no peer here", "unknown"},
		{bytesAtMost(32), 1, "31.0 MB", "yes"},
		{bytesAtMost(30), 1, "31.0 MB", "no"},
	} {
		v := test.bar.judge(&bench{scale: test.scale}, ran)
		if v.Seen != test.seen || v.Holds != test.holds {
			t.Errorf("%s: %s, %s; want %s, %s", v.Bar, v.Seen, v.Holds, test.seen, test.holds)
		}
	}
}

// The yardstick that ran with a job counts, not the one that ran before all.
func TestYardstick(t *testing.T) {
	t.Parallel()
	ran := []series{{Name: "policy", Seconds: []float64{0.020}}, {Name: yardstick, Seconds: []float64{0.022}}}
	if v := timeAtMost(10).judge(&bench{scale: 1}, ran); v.Holds != "yes" {
		t.Errorf("%+v", v)
	}
	ran[1].Seconds[0] = 0.005
	if v := timeAtMost(19).judge(&bench{scale: 9}, ran); v.Holds != "no" {
		t.Errorf("%+v: a fast machine makes no bar harder, and none easier", v)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{5, 1, 3}, 3}} {
		if got := median(test.all); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("median(%v) = %v, want %v", test.all, got, test.want)
		}
	}
}

func TestFigure(t *testing.T) {
	t.Parallel()
	ns, err := figure("BenchmarkCall-2  834  1423 ns/op  1505 ns/call  12 B/op", "ns/call")
	if err != nil || ns != 1505 {
		t.Errorf("got %v, %v", ns, err)
	}
	if _, err := figure("PASS", "ns/call"); err == nil {
		t.Error("a text without the figure gave one")
	}
}
