// Package render is how policy speaks: answers to standard output, everything
// else to standard error.
//
// A [Printer] turns any result of a verb, or any value a script returned, into
// text, a table, JSON or YAML; shows faults, once, with the script's lines and
// a hint; and draws progress. The rules it keeps:
//
//   - Standard output is the answer and nothing else. One image is one token,
//     repository:tag@digest, so that $(policy push …) composes.
//   - On a terminal, tables are aligned, times relative and sizes human; in a
//     pipe, columns are separated by tabs, times are RFC 3339, sizes bytes.
//   - No text that came from a registry, a bundle or a policy reaches a terminal
//     with control, escape or direction-changing characters in it: see [Safe].
//   - Bars are drawn only on a terminal, only for transfers worth one, and never
//     mix with lines.
package render
