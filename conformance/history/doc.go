// Command history checks a recorded history of transactions over lists for strict
// serializability: `go run ./conformance/history FILE`. The file has one JSON object
// a line, one for each transaction (see txn).
//
// The method is that of Elle (Kingsbury and Alvaro, VLDB 2020) for list-append: every
// appended value is unique, so a list that was read tells the order in which its
// values were written, and with that which transaction came before which. A
// dependency in a circle, or against real time, is an anomaly, and so is a value that
// was read twice, lost, or written by a transaction that failed.
package main
