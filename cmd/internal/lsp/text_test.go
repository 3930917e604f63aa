package lsp_test

import (
	"path/filepath"
	"testing"

	"github.com/policyhost/policy/cmd/internal/lsp"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	const content = "ab\r\né𝄞c\rlast"
	for _, c := range []struct {
		encoding lsp.Encoding
		at       lsp.Position
		offset   int
		back     lsp.Position
	}{
		{lsp.UTF16, lsp.Position{Line: 0, Character: 1}, 1, lsp.Position{Line: 0, Character: 1}},
		{lsp.UTF16, lsp.Position{Line: 0, Character: 99}, 2, lsp.Position{Line: 0, Character: 2}},
		{lsp.UTF16, lsp.Position{Line: 1, Character: 1}, 6, lsp.Position{Line: 1, Character: 1}},
		{lsp.UTF16, lsp.Position{Line: 1, Character: 2}, 6, lsp.Position{Line: 1, Character: 1}}, // half of a character
		{lsp.UTF16, lsp.Position{Line: 1, Character: 3}, 10, lsp.Position{Line: 1, Character: 3}},
		{lsp.UTF8, lsp.Position{Line: 1, Character: 6}, 10, lsp.Position{Line: 1, Character: 6}},
		{lsp.UTF8, lsp.Position{Line: 2, Character: 2}, 14, lsp.Position{Line: 2, Character: 2}},
		{lsp.UTF16, lsp.Position{Line: 9, Character: 9}, 16, lsp.Position{Line: 2, Character: 4}},
		{lsp.UTF16, lsp.Position{Line: -1, Character: -1}, 0, lsp.Position{}},
	} {
		text := lsp.NewText(content, c.encoding)
		if got := text.Offset(c.at); got != c.offset {
			t.Errorf("%s %v is byte %d, want %d", c.encoding, c.at, got, c.offset)
		}
		if got := text.Position(c.offset); got != c.back {
			t.Errorf("%s byte %d is at %v, want %v", c.encoding, c.offset, got, c.back)
		}
	}
	text := lsp.NewText(content, lsp.UTF16)
	for _, c := range [][3]int{{1, 1, 0}, {2, 3, 10}, {2, 9, 11}, {3, 1, 12}, {0, 0, 0}, {9, 1, 16}} {
		if got := text.At(c[0], c[1]); got != c[2] {
			t.Errorf("line %d, column %d is byte %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"file:///a/b%20c.star": "/a/b c.star", "file:///C%3A/x.star": "C:/x.star", "untitled:one": "", "%": "",
	} {
		if got := filepath.ToSlash(lsp.PathOf(uri)); got != want {
			t.Errorf("%s is %q, want %q", uri, got, want)
		}
	}
	if got := lsp.URIOf("/a/b c#.star"); got != "file:///a/b%20c%23.star" {
		t.Errorf("got %s", got)
	}
}

// FuzzPositions holds that no position leads out of a text, and that the place of
// each character leads back to it.
func FuzzPositions(f *testing.F) {
	for _, seed := range []string{"", "a", "\r", "\r\n\n", "é𝄞\r\nx", "\xff\xfe\n", "\U0010FFFF"} {
		f.Add(seed, 0, 1)
		f.Add(seed, -1, 1<<40)
	}
	f.Fuzz(func(t *testing.T, content string, line, character int) {
		for _, encoding := range []lsp.Encoding{lsp.UTF8, lsp.UTF16} {
			text := lsp.NewText(content, encoding)
			for _, off := range []int{text.Offset(lsp.Position{Line: line, Character: character}), text.At(line, character)} {
				if off < 0 || off > len(content) {
					t.Errorf("%s: %d:%d of %q is byte %d", encoding, line, character, content, off)
				}
			}
			for off := range content {
				if content[off] == '\n' && off > 0 && content[off-1] == '\r' {
					continue // in the middle of a line's end
				}
				if got := text.Offset(text.Position(off)); got != off {
					t.Errorf("%s: byte %d of %q is %d", encoding, off, content, got)
				}
			}
		}
	})
}
