package main

// jobs are all that is measured, in the order of the table.
func jobs() []job {
	return []job{
		{
			name: "version", title: "process start, `version`", measure: version,
			bars: []bar{timeAgainst("opa", 0.75), timeAgainst("floor", 1.2), memoryAtMost(25)},
		},
		{
			name: "script", title: "`run` of a 50-line script that does nothing", measure: script,
			bars: []bar{over("start", 3)},
		},
		{
			name: "call", title: "builtin call from Starlark, 4 arguments", measure: call,
			bars: []bar{timeAtMost(4e-3)},
		},
		{
			name: "build-small", title: "build small", measure: buildSmall,
			bars:   []bar{timeAgainst("opa", 0.65)},
			remark: "policy's image is on the disk when the build ends, opa's tarball is not; with `sync -d` it is. The floor is most of the bar.",
		},
		{
			name: "build-modules", title: "build 500 rego + 23 MB data", measure: buildModules,
			bars: []bar{timeAgainst("opa", 0.35), memoryAgainst("opa", 0.45)},
		},
		{
			name: "build-data", title: "build 1 rego + 23 MB data", measure: buildData,
			bars: []bar{timeAgainst("opa", 0.2), memoryAgainst("opa", 0.2)},
		},
		{
			name: "build-again", title: "build again (500 rego + 23 MB data), nothing changed", measure: buildAgain,
			bars: []bar{timeAgainst("opa", 0.05)},
		},
		{
			name: "build-huge", title: "build 280 MB incompressible data", measure: buildHuge,
			bars:   []bar{scaled("≤ 0.5 × opcr (7.6 s)", 3800), memoryAtMost(150)},
			remark: "opa is shown for orientation: it has no bar here.",
		},
		{
			name: "eval-small", title: "eval one input, small bundle", measure: evalSmall,
			bars:   []bar{timeAgainst("opa", 0.65)},
			remark: "the floor is most of the bar. Of the CPU time above it, OPA's compiler takes a third, the parser of the command line (kong) a quarter, opening the image a sixth.",
		},
		{
			name: "eval-data", title: "eval one input, 1 rego + 23 MB data", measure: evalData,
			bars: []bar{timeAgainst("opa", 0.2), memoryAgainst("opa", 0.25)},
		},
		{
			name: "eval-modules", title: "eval one input, 500 rego + 23 MB", measure: evalModules,
			bars: []bar{timeAgainst("opa", 0.15)},
		},
		{
			name: "eval-all-modules", title: "eval one input, 500 rego + 23 MB, all modules reached", measure: evalAllModules,
			bars: []bar{timeAgainst("opa", 0.6)},
		},
		{
			name: "check", title: "check 550 rego, strict", measure: check,
			bars:   []bar{timeAgainst("opa", 0.8)},
			remark: "three quarters of the time are OPA's compiler, on one core; files are parsed on all of them. A machine that is busy otherwise shows no difference.",
		},
		{
			name: "test", title: "test, 500 tests in 50 files, 500 rego", measure: test,
			bars: []bar{timeAgainst("opa", 0.9)},
		},
		{
			name: "test-coverage", title: "test with coverage", measure: testCovered,
			bars: []bar{timeAgainst("opa", 0.8)},
		},
		{
			name: "push-1gb", title: "push 1 GB", measure: pushLarge,
			bars: []bar{rateAgainst("curl", 0.95), memoryAtMost(40)},
		},
		{
			name: "pull-1gb", title: "pull 1 GB", measure: pullLarge,
			bars:   []bar{rateAgainst("curl + sync -d", 1), memoryAtMost(40)},
			remark: "policy's pull is on the disk when it ends, those of crane, regctl and curl are not: its bar is curl with `sync -d`.",
		},
		{
			name: "push-1kb", title: "push 1 KB", measure: pushSmall,
			bars:   []bar{bestOf("crane", "regctl", "skopeo")},
			remark: "five requests follow one another, which cannot be fewer: the rest is that crane starts in less time than our libraries do (floor, above).",
		},
		{
			name: "pull-1kb", title: "pull 1 KB", measure: pullSmall,
			bars:   []bar{bestOf("crane", "regctl", "skopeo")},
			remark: "as for push, and policy's pull is on the disk when it ends; compare crane with `sync -d`.",
		},
		{
			name: "push-again", title: "push again, all there", measure: pushAgain,
			bars: []bar{scaled("≤ 0.5 × opcr (31 ms)", 15.5)},
		},
		{
			name: "save", title: "save 210 MB", measure: save,
			bars: []bar{scaled("≤ 0.2 × opcr (2.0 s)", 400), memoryAtMost(40)},
		},
		{name: "tag-10", title: "`tag`, 10 images in the store", measure: tag(10), bars: []bar{timeAtMost(12)}},
		{name: "tag-1000", title: "`tag`, 1,000 images", measure: tag(1000), bars: []bar{timeAtMost(15)}},
		{name: "tag-10000", title: "`tag`, 10,000 images", measure: tag(10000), bars: []bar{timeAtMost(35)}},
		{name: "images-10", title: "`images`, 10 images in the store", measure: images(10), bars: []bar{timeAtMost(12)}},
		{name: "images-1000", title: "`images`, 1,000 images", measure: images(1000), bars: []bar{timeAtMost(25)}},
		{name: "images-10000", title: "`images`, 10,000 images", measure: images(10000), bars: []bar{timeAtMost(120)}},
		{
			name: "binary", title: "binary, stripped", measure: binary, bars: []bar{bytesAtMost(32)},
			remark: "3.3 MB are methods that nothing calls: kong looks methods up by name, so the linker keeps every exported one there is, in the floor, too.",
		},
	}
}
