// Package projectfile knows the files in which a JavaScript project says what it is:
// .env files, to the byte, and the JSON that people write, with comments.
//
// It reads and edits text; what the settings mean is for the rooms above.
package projectfile
