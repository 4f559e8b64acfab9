// Package deployment assembles one deployment: its store and blobs, the database
// over them, the runner of its functions, its pushes, and the gate that says who
// is asking.
//
// It owns what is true of a deployment as a whole: its name, its addresses, its
// keys, the order in which its parts are opened, run and closed. It knows nothing
// of other deployments, of sockets, or of who signs the tokens that it verifies:
// key sets of the house come in from above.
package deployment
