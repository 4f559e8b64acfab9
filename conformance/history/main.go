package main

import (
	"fmt"
	"os"
)

// main checks the history in a file: 0 none found, 1 anomalies, 2 misused.
func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: history FILE")
		os.Exit(2)
	}
	f, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(2)
	}
	defer f.Close()
	history, err := readHistory(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(2)
	}
	found := check(history)
	for _, a := range found {
		fmt.Printf("%s: %s\n", a.kind, a.text)
	}
	n := map[string]int{}
	for _, t := range history {
		n[t.Status]++
	}
	fmt.Printf("%d transactions (%d ok, %d failed, %d unknown), %d anomalies\n", len(history), n[statusOK], n[statusFailed], n[statusUnknown], len(found))
	if len(found) > 0 {
		os.Exit(1)
	}
}
