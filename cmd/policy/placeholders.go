package main

import (
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// namePlaceholders says what stands behind a flag in the help: its default, or a
// word for what it takes. The parser itself would name types of Go.
func namePlaceholders(k *kong.Kong) error {
	nodes := []*kong.Node{k.Model.Node}
	for len(nodes) > 0 {
		node := nodes[0]
		nodes = append(nodes[1:], node.Children...)
		for _, f := range node.Flags {
			if f.PlaceHolder == "" && !f.IsBool() && !f.IsCounter() && !f.IsMap() {
				f.PlaceHolder = placeholder(f)
			}
		}
	}
	return nil
}

func placeholder(f *kong.Flag) string {
	if f.HasDefault {
		return f.Default
	}
	t := f.Target.Type()
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "TIME"
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Float64:
		return "N"
	}
	words := strings.Split(f.Name, "-")
	return strings.ToUpper(words[len(words)-1])
}
