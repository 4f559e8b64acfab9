// Package systemd speaks with the service manager that started the process, where
// there is one: it says when the house is ready, reloading or stopping and that it
// is alive, and takes over sockets that the manager holds open, so that nobody is
// refused while a house starts anew.
//
// The protocol is that of sd_notify(3) and sd_listen_fds(3): datagrams on a socket
// of the file system, and file descriptors from 3 on. Other managers and container
// engines speak it, too. Without a manager everything here does nothing.
package systemd
