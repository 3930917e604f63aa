// Package complete finds what may follow on a command line that is being typed,
// and says it to bash, zsh and fish.
//
// It takes three steps. [BashWords] takes apart the line as bash has it; zsh and
// fish hand over words. [At] walks the words through the parser's own grammar to
// the [Place] under the cursor: a command, a flag, or the value of one. The caller,
// who knows what values there are, makes an [Answer] of it, which [Line.Bash],
// [Zsh] and [Fish] write as that shell reads it.
//
// What a shell is given becomes part of a command line, so only words of letters,
// digits and a few signs that no shell treats specially are given at all; names of
// files, which may be anything, are left to the shell.
package complete
