// Package source reads TypeScript and JavaScript, with or without JSX, as far as
// questions about a project need it: comments, strings, templates, regular
// expressions and elements are told apart, brackets are matched, positions are
// kept. What is between brackets stays a sequence of words and signs.
//
// It is no compiler: a file that the language's own tools refuse may be read
// here, and where a construct can be read in two ways the harmless one is taken.
// It never panics, and gives up on what is too long or nests too deeply.
package source
