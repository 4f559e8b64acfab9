// Command bench measures the built binary from outside, as its users meet it: it
// starts bin/lentil on a scratch project, pushes functions with the official CLI
// and plays clients over sockets and HTTP. `make bench` runs all scenarios;
// `make bench ARGS='-run mutations -for 5s'` some of them.
//
// Clients and server share the machine, so figures are those of both together.
package main
