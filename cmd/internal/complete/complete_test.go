package complete_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/complete"
)

// breaks are bash's $COMP_WORDBREAKS.
const breaks = " \t\n\"'@><=;|&(:"

func TestBashWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                              `[] ""`,
		"policy":                        `[] "policy"`,
		"policy ":                       `[] ""`,
		"policy push a":                 `["push"] "a"`,
		"policy  push\ta ":              `["push" "a"] ""`,
		"A=b C= policy push a":          `["push"] "a"`,
		`./bin/policy 'a b' "c\"d\e" x`: `["a b" "c\"d\\e"] "x"`,
		`policy a\ b c\`:                `["a b"] "c"`,
		`policy "open `:                 `[] "open "`,
		`policy '' x`:                   `[""] "x"`,
		"policy ghcr.io/é:1":            `[] "ghcr.io/é:1"`,
	} {
		l := complete.BashWords(line, breaks)
		if got := fmt.Sprintf("%q %q", l.Words, l.Typed); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

// TestBash holds that bash gets what it puts in place of what it takes away.
func TestBash(t *testing.T) {
	t.Parallel()
	words := complete.Words("host:5000/acme/authz:1.0", "host:5000/acme/audit@sha256:12", "--name=value")
	for line, want := range map[string]string{
		"policy ":                        "host:5000/acme/authz:1.0 host:5000/acme/audit@sha256:12 --name=value",
		"policy ho":                      "host:5000/acme/authz:1.0 host:5000/acme/audit@sha256:12",
		"policy host:50":                 "5000/acme/authz:1.0 5000/acme/audit@sha256:12",
		"policy host:5000/acme/authz:":   "1.0",
		"policy host:5000/acme/audit@sh": "@sha256:12",
		"policy 'host:5000/acme/authz:":  "host:5000/acme/authz:1.0",
		`policy "host":5`:                "5000/acme/authz:1.0 5000/acme/audit@sha256:12",
		`policy host\:5000/acme/authz`:   "host:5000/acme/authz:1.0",
		"policy --name=v":                "value",
		"policy other":                   "",
	} {
		got := strings.Fields(complete.BashWords(line, breaks).Bash(words, ""))
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// TestPlain holds that no shell is given a word with a meaning of its own, and no
// terminal a description that it obeys.
func TestPlain(t *testing.T) {
	t.Parallel()
	a := complete.Answer{Candidates: []complete.Candidate{
		{Word: "good:1.0", About: "a:b\x1b[31m\nnext\t\\"}, {Word: "good:1.0"},
		{Word: "$(id)"}, {Word: "a b"}, {Word: "`id`"}, {Word: "a;b"}, {Word: "a\nb"}, {Word: "'"}, {Word: "~root"}, {Word: "a~/"}, {Word: "é"}, {Word: "=ls"}, {Word: ""}, {Word: "a*"}, {Word: "{a}"}, {Word: "!1"}, {Word: "#"},
	}}
	for name, got := range map[string]string{
		"\ngood:1.0\n": complete.BashWords("policy ", breaks).Bash(a, ""),
		"\ngood\\:1.0:a:b\\\\x1b[31m\\\\x0anext\\\\x09\\\\\n": complete.Zsh(a),
		"\ngood:1.0\ta:b\\x1b[31m\\x0anext\\x09\\\n":          complete.Fish(a),
	} {
		if got != name {
			t.Errorf("got  %q\nwant %q", got, name)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, name := range []string{"a.star", "b.rego", ".hidden.star", "with space.star", "sub/c.star"} {
		file := filepath.Join(home, "dir", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, stars, folders := &complete.Paths{Files: true}, &complete.Paths{Files: true, Suffix: ".star"}, &complete.Paths{}
	for _, tt := range []struct {
		line  string
		paths *complete.Paths
		words []string
		want  string
	}{
		{"policy ~/dir/", stars, nil, "files=.star open|~/dir/a.star ~/dir/sub/"},
		{"policy ~/dir/sub/", stars, nil, "files=.star|~/dir/sub/c.star"},
		{"policy ~/dir/.h", stars, nil, "files=.star|~/dir/.hidden.star"},
		{"policy ~/dir/", files, nil, "files|"}, // bash knows them itself
		{"policy ~/dir/", files, []string{"~/dir/x"}, "files open|~/dir/x ~/dir/a.star ~/dir/b.rego ~/dir/sub/"},
		{"policy ~/dir/", folders, nil, "folders|"},
		{"policy ~/nowhere/", stars, nil, "files=.star|"},
	} {
		a := complete.Words(tt.words...)
		a.Paths = tt.paths
		how, got, _ := strings.Cut(complete.BashWords(tt.line, breaks).Bash(a, home), "\n")
		if got := how + "|" + strings.Join(strings.Fields(got), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.line, got, tt.want)
		}
	}
}

type grammar struct {
	Config  string `short:"c"`
	Verbose int    `short:"v" type:"counter"`
	Push    struct {
		Refs  []string `arg:""`
		Quiet *bool    `short:"q" negatable:""`
		Cache bool     `default:"true" negatable:"" help:"Use it. Really."`
		Pull  string   `enum:"always,never" default:"never" short:"p"`
		Label []string `short:"l"`
		Inner string   `hidden:""`
	} `cmd:"" aliases:"send"`
	Store struct {
		Check struct{} `cmd:""`
		Prune struct {
			Age string
		} `cmd:""`
	} `cmd:""`
	Tag struct {
		From string `arg:""`
		To   string `arg:""`
	} `cmd:""`
	Run struct {
		Steps int
		Args  []string `arg:"" passthrough:""`
	} `cmd:""`
}

func TestAt(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                      "commands",
		"pu":                    "commands",
		"store ":                "commands of store",
		"push ":                 "refs",
		"send a b ":             "refs after a b",
		"push -":                "--quiet --cache --pull --label --help --config --verbose",
		"push -q --label=x -":   "--cache --pull --label --help --config --verbose",
		"push --pull ":          "pull",
		"push --pull a":         "pull",
		"push --pull=a":         "pull behind --pull=",
		"push -pa":              "pull behind -p",
		"push -qp":              "pull behind -qp",
		"push -qp ":             "pull",
		"push -qpalways ":       "refs",
		"push -vvq ":            "refs",
		"push --no-cache ":      "refs",
		"push --unknown=x ":     "refs",
		"push -- -":             "refs",
		"push -c ":              "config",
		"-c file push ":         "refs; config=file",
		"--config=file push ":   "refs; config=file",
		"push --pull always x ": "refs after x",
		"tag ":                  "from",
		"tag a ":                "to",
		"tag a - ":              "--help --config --verbose",
		"tag a b c ":            "",
		"store check ":          "--help --config --verbose",
		"store prune --age ":    "age",
		"run ":                  "args",
		"run --steps ":          "steps",
		"run file --steps ":     "args after file --steps",
		"nowhere ":              "",
	} {
		var g grammar
		parser, err := kong.New(&g)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(line, " ")
		last := len(words) - 1
		p := complete.At(parser.Model.Node, words[:last], words[last])
		var got []string
		if p.Commands {
			got = append(got, "commands")
			if p.Node.Parent != nil {
				got = append(got, "of "+p.Node.Name)
			}
		}
		if p.Value != nil {
			got = append(got, p.Value.Name)
		}
		if p.Prefix != "" {
			got = append(got, "behind "+p.Prefix)
		}
		if len(p.Given) > 0 {
			got = append(got, "after", strings.Join(p.Given, " "))
		}
		for _, f := range p.Flags {
			got = append(got, "--"+f.Name)
		}
		text := strings.Join(got, " ")
		if g.Config != "" {
			text += "; config=" + g.Config
		}
		if text != want {
			t.Errorf("%q: got %q, want %q", line, text, want)
		}
	}
}

func TestFlagsAnswer(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(new(grammar))
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"--":     "--quiet --no-cache --pull --label --help --config --verbose",
		"--c":    "--cache --config",
		"--no-":  "--no-quiet --no-cache",
		"--nope": "",
	} {
		place := complete.At(parser.Model.Node, []string{"push"}, typed)
		var got []string
		for _, c := range complete.FlagsAnswer(place.Flags, typed).Candidates {
			got = append(got, c.Word)
			if about := map[string]string{"--cache": "Use it", "--no-cache": "Do not use it"}[c.Word]; about != "" && c.About != about {
				t.Errorf("%s: %q", c.Word, c.About)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func FuzzBashWords(f *testing.F) {
	for _, seed := range []string{"policy push ghcr.io/a:1", `policy "a`, `a\`, "A=b 'c' =:", "\xff \xc3"} {
		f.Add(seed, breaks)
	}
	f.Fuzz(func(_ *testing.T, line, breaks string) {
		l := complete.BashWords(line, breaks)
		l.Bash(complete.Words(l.Typed+"x"), "")
	})
}
