package main

import "os"

// peak is not known: Windows keeps no such figure after the exit.
func peak(*os.ProcessState) int64 { return 0 }

func ownPeak() int64 { return 0 }
