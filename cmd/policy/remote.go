package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/policyhost/policy/builtins"
)

// newRemote is the grammar of "policy remote": a struct whose fields are the
// verbs that the table has there, since the parser nests no other way.
func newRemote() any {
	var verbs []builtins.Verb
	var fields []reflect.StructField
	for _, v := range builtins.Table() {
		if v.Remote == "" {
			continue
		}
		summary, _, _ := strings.Cut(v.Doc, "\n")
		verbs = append(verbs, v)
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("V%d", len(fields)),
			Type: reflect.TypeFor[direct](),
			Tag:  reflect.StructTag(fmt.Sprintf(`cmd:"" name:%q help:%q`, v.Remote, summary)),
		})
	}
	command := reflect.New(reflect.StructOf(fields))
	for i, v := range verbs {
		d := newDirect(v)
		d.remote = true
		command.Elem().Field(i).Set(reflect.ValueOf(*d))
	}
	return command.Interface()
}

// atRegistry is implemented by the arguments of verbs that also work locally.
type atRegistry interface{ AtRegistry() }
