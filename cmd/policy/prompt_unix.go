//go:build unix

package main

import "os"

func openTerminal() (console, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return console{in: tty, out: tty}, err
}
