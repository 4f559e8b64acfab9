package sideprocess

import (
	"errors"
	"io"
	"os"
)

// Serve is the child's half: it lowers the priority of the process and answers
// requests from standard input until that ends.
func Serve(answer func(request []byte) []byte) error {
	if err := stepBack(); err != nil {
		return err
	}
	return serve(os.Stdin, os.Stdout, answer)
}

// serve answers frames until in ends.
func serve(in io.Reader, out io.Writer, answer func([]byte) []byte) error {
	for {
		request, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := writeFrame(out, answer(request)); err != nil {
			return err
		}
	}
}
