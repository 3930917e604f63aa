package config

import (
	"fmt"
	"strconv"
	"time"
)

// Flags are the global flags, to be embedded in the command line's grammar. What
// was not typed is nil or empty. Their names differ from those of every verb.
type Flags struct {
	Config    string `short:"c" placeholder:"FILE" complete:"file" group:"Global flags" help:"Configuration file, in place of those looked for."`
	Verbosity int    `short:"v" type:"counter" group:"Global flags" help:"Say more; -vv says even more."`
	Quiet     bool   `short:"q" group:"Global flags" help:"Say nothing but the answer and errors."`
	Debug     bool   `group:"Global flags" help:"Log what goes over the wire."`
	LogLevel  string `placeholder:"LEVEL" complete:"debug,info,warn,error,off" group:"Global flags" help:"Log: debug, info, warn, error or off."`

	Insecure       *bool    `short:"k" negatable:"" group:"Global flags" help:"Do not verify TLS certificates."`
	Plaintext      *bool    `negatable:"" group:"Global flags" help:"Speak HTTP to registries, not HTTPS."`
	CA             []string `name:"ca" sep:"none" type:"string" placeholder:"FILE" complete:"file" group:"Global flags" help:"PEM file of a certificate authority to trust."`
	Domain         string   `placeholder:"HOST" complete:"server" group:"Global flags" help:"Registry of references that name none."`
	RegistryOption []string `sep:"none" placeholder:"HOST,KEY=VALUE" group:"Global flags" help:"Setting of one registry, as in the file."`

	FileStoreRoot string         `placeholder:"DIR" complete:"folder" group:"Global flags" help:"Where images, credentials and settings live."`
	LockTimeout   *time.Duration `placeholder:"TIME" group:"Global flags" help:"Longest wait for another policy process, such as 30s."`
	Timeout       time.Duration  `placeholder:"TIME" group:"Global flags" help:"Longest time the command may take, such as 5m."`
	MaxHeap       int64          `placeholder:"MIB" group:"Global flags" help:"Memory the command may use: 4096, in a pipeline 2048."`
	Journal       string         `placeholder:"FILE" complete:"file" group:"Global flags" help:"Add a line of JSON to FILE for every effect."`
	Concurrency   *int           `placeholder:"N" group:"Global flags" help:"References to work on at once."`

	Limit map[string]string `sep:"none" mapsep:"none" placeholder:"KEY=VALUE" complete:"total=,ratio=,entries=,name_length=" group:"Global flags" help:"Bundle limit: total, ratio, entries, name_length."`
}

// Level is how much to say: 0 the least, 3 with all that goes over the wire.
func (f *Flags) Level() int {
	if f.Debug {
		return 3
	}
	return f.Verbosity
}

// The text of a flag, nil when it was not typed: settings are read from text,
// wherever they come from.

func text(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func textOf[T bool | int | time.Duration](v *T) []string {
	if v == nil {
		return nil
	}
	return []string{fmt.Sprint(*v)}
}

func (f *Flags) logLevel() []string {
	if f.LogLevel == "" && f.Debug {
		return []string{"debug"}
	}
	return text(f.LogLevel)
}

func (f *Flags) timeout() []string {
	if f.Timeout == 0 {
		return nil
	}
	return textOf(&f.Timeout)
}

// boolean reads the spellings that YAML and shells know.
func boolean(s string) (bool, error) {
	switch s {
	case "yes", "on", "Yes", "On", "YES", "ON":
		return true, nil
	case "no", "off", "No", "Off", "NO", "OFF":
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", s)
	}
	return b, nil
}
