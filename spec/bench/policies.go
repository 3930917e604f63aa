package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// The policies that are built and judged with. All are made from a fixed seed:
// the same bytes on every machine.

const smallRego = `package authz

default allow := false

allow if "admin" in data.users[input.user].roles

allow if {
	input.action == "read"
	data.users[input.user].tenant == input.tenant
}

deny contains "suspended" if data.users[input.user].suspended

deny contains msg if {
	input.amount > data.limits[input.action]
	msg := sprintf("%d is over the limit of %s", [input.amount, input.action])
}
`

const smallData = `{
  "limits": {"read": 1000, "write": 10},
  "users": {
    "u50007": {"roles": ["admin"], "suspended": false, "tenant": "t50007"},
    "u8": {"roles": ["r8"], "suspended": true, "tenant": "t8"}
  }
}
`

// The one who asks stands in the middle of the data.
const question = `{"user": "u50007", "tenant": "t50007", "action": "read", "amount": 7}
`

// How many people make 23 MB of data.json.
const people = 102_500

func (b *bench) small() (string, error) {
	return b.fixture("small-2", func(dir string) error {
		return writeFiles(dir, map[string]string{"policy/authz.rego": smallRego, "policy/data.json": smallData, "input.json": question})
	})
}

// one is a single module with 23 MB of data.
func (b *bench) one() (string, error) {
	return b.fixture("one-2", func(dir string) error {
		if err := writeFiles(dir, map[string]string{"policy/authz.rego": smallRego, "input.json": question}); err != nil {
			return err
		}
		return create(filepath.Join(dir, "policy", "data.json"), writePeople)
	})
}

// modules are 500 of them with 23 MB of data: 499 in groups of ten that refer to
// each other, and one that asks all of them.
func (b *bench) modules() (string, error) {
	return b.fixture("modules-2", func(dir string) error {
		files := map[string]string{"input.json": question}
		all := "package bench.all\n\nallow if count(granted) > 0\n\n"
		for i := range 499 {
			files[fmt.Sprintf("policy/m%03d/policy.rego", i)] = moduleRego(i)
			all += fmt.Sprintf("granted contains %d if data.bench.m%03d.allow\n\n", i, i)
		}
		files["policy/all/policy.rego"] = all
		if err := writeFiles(dir, files); err != nil {
			return err
		}
		return create(filepath.Join(dir, "policy", "data.json"), writePeople)
	})
}

func moduleRego(i int) string {
	next := "input.escalate"
	if i%10 != 9 && i != 498 {
		next = fmt.Sprintf("data.bench.m%03d.inherited", i+1)
	}
	return fmt.Sprintf(`package bench.m%03d

default allow := false

allow if {
	some role in data.users[input.user].roles
	role in granted
	not blocked
}

allow if inherited

inherited if {
	%s
	input.tenant == "t%d"
}

granted := {"admin", "r%d", "r%d"}

blocked if data.users[input.user].suspended

blocked if {
	some reason in reasons
	reason.level > %d
}

reasons contains {"level": 3, "text": text} if {
	input.amount > data.limits.write
	text := sprintf("%%s asked for %%d in module %d", [input.user, input.amount])
}

within(amount, limit) if amount <= limit

within(amount, limit) if {
	amount <= limit * 2
	"admin" in data.users[input.user].roles
}

summary := {
	"user": input.user,
	"within": within(input.amount, data.limits.read),
	"roles": [r | some r in data.users[input.user].roles; r != "guest"],
	"reasons": count(reasons),
}
`, i, next, i, i%7, i%11, 5+i%3, i)
}

func writePeople(w io.Writer) error {
	random := rand.New(rand.NewPCG(1, 23))
	fmt.Fprint(w, `{"limits": {"read": 1000, "write": 10}, "users": {`)
	for i := range people {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		role := "admin"
		if i != 50007 {
			role = fmt.Sprintf("r%d", random.IntN(40))
		}
		fmt.Fprintf(w, "\n\"u%d\": {\"name\": \"Person %08x\", \"mail\": \"person.%d@tenant%d.example.com\", \"roles\": [%q, \"r%d\"], \"tenant\": \"t%d\", \"suspended\": false, \"since\": %d, \"quota\": %d.5, \"note\": \"%08x %s\"}",
			i, random.Uint32(), i, i%97, role, random.IntN(40), i, 1_500_000_000+random.IntN(200_000_000), random.IntN(5000), random.Uint32(), `a \"quoted\" word`)
	}
	_, err := fmt.Fprint(w, "}}\n")
	return err
}

// huge is a module with 280 MB of data that gzip can do little about.
func (b *bench) huge() (string, error) {
	return b.fixture("huge-1", func(dir string) error {
		if err := writeFiles(dir, map[string]string{"policy/authz.rego": smallRego}); err != nil {
			return err
		}
		return create(filepath.Join(dir, "policy", "data.json"), func(w io.Writer) error { return writeNoise(w, 280_000_000) })
	})
}

// writeNoise writes a JSON object of about size bytes, random strings of 1 KB.
func writeNoise(w io.Writer, size int) error {
	random := rand.NewChaCha8([32]byte{1})
	raw := make([]byte, 768)
	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	fmt.Fprint(w, `{"noise": [`)
	for written := 0; written < size; written += len(text) + 4 {
		if written > 0 {
			fmt.Fprint(w, ",\n")
		}
		if _, err := random.Read(raw); err != nil {
			return err
		}
		base64.StdEncoding.Encode(text, raw)
		fmt.Fprintf(w, `"%s"`, text)
	}
	_, err := fmt.Fprint(w, "]}\n")
	return err
}

// writeFiles writes small files and the folders they need.
func writeFiles(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// create writes a file of any size.
func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
