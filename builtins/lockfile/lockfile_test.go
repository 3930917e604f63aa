package lockfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/runtime/fault"
)

var (
	one = "sha256:" + strings.Repeat("1", 64)
	two = "sha256:" + strings.Repeat("2", 64)
)

func Example() {
	lock := new(lockfile.Lock)
	lock.Set(lockfile.Entry{
		Ref:    "oci://ghcr.io/acme/recipes:v1",
		Digest: artifact.Digest(one),
		Size:   8123,
		Needs:  artifact.Needs{Read: []string{"ghcr.io/acme/*"}},
	})
	fmt.Print(strings.ReplaceAll(string(lock.Text()), one, "sha256:11…"))
	// Output:
	// policy.lock v1
	// oci://ghcr.io/acme/recipes:v1 sha256:11… size=8123 needs=read:ghcr.io/acme/*
}

// TestMerge: lines that two branches added may stand in any order, repeated or
// after another header, and come out as one sorted file.
func TestMerge(t *testing.T) {
	t.Parallel()
	text := "policy.lock v1\n" +
		"oci://b.test/x/y:1 " + two + "\n" +
		"policy.lock v1\r\n" +
		"# a note\n\n" +
		"oci://a.test/x/y:1 " + one + " size=3 later=x\n" +
		"oci://b.test/x/y:1 " + two + "\n"
	lock, err := lockfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "policy.lock v1\noci://a.test/x/y:1 " + one + " size=3 later=x\noci://b.test/x/y:1 " + two + "\n"
	if got := string(lock.Text()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	lock.Set(lockfile.Entry{Ref: "oci://a.test/x/y:1", Digest: artifact.Digest(two)})
	if e, _ := lock.Find("oci://a.test/x/y:1"); e.String() != "oci://a.test/x/y:1 "+two+" later=x" {
		t.Errorf("a later version's field is lost: %s", e)
	}
	if !lock.Remove("oci://b.test/x/y:1") || lock.Remove("oci://b.test/x/y:1") || len(lock.Entries()) != 1 {
		t.Error("removing twice is not removing once")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, says string }{
		{"", ""},
		{"policy.lock v2\n", "line 1"},
		{"policy.lock v1\noci://a.test/x:1\n", "line 2: a line is a reference and its digest"},
		{"policy.lock v1\na.test/x:1 " + one, "does not begin with oci://"},
		{"policy.lock v1\noci://x:1 " + one, "does not name its registry"},
		{"policy.lock v1\noci://a.test/X:1 " + one, "line 2"},
		{"policy.lock v1\n\noci://a.test/x:1 md5:1", "line 3"},
		{"policy.lock v1\noci://a.test/x:1 " + one + " size=-1", "no size"},
		{"policy.lock v1\noci://a.test/x:1 " + one + " needs=fly:moon", "no kind of need"},
		{"policy.lock v1\n<<<<<<< HEAD\n", "a merge was not finished"},
		{"policy.lock v1\noci://a.test/x:1 " + one + "\noci://a.test/x:1 " + two, "pinned twice, to "},
		{"policy.lock v1\noci://a.test/x:1 " + one + "\noci://a.test/x:1 " + one + " needs=env:CI", "line 3: oci://a.test/x:1 is pinned twice, with different grants"},
	} {
		_, err := lockfile.Parse([]byte(tt.text))
		if tt.text == "" {
			if err != nil {
				t.Errorf("an empty file: %v", err)
			}
			continue
		}
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("policy.lock v1\noci://a.test/x/y:1 " + one + " size=3 needs=read:a.test/*,files:a%20b:rw,env:CI later=x\n"))
	f.Add([]byte("policy.lock v1\n<<<<<<< HEAD\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lock, err := lockfile.Parse(text)
		if err != nil {
			return
		}
		again, err := lockfile.Parse(lock.Text())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, lock.Text())
		}
		if string(again.Text()) != string(lock.Text()) {
			t.Fatalf("written twice:\n%s\n%s", lock.Text(), again.Text())
		}
	})
}
