// Package setting reads settings from where people write them: flags, environment
// variables and one YAML file. Of each it knows the names, the text and where the
// text came from; what a setting means is the business of whoever owns the field
// behind it.
//
// A flag is stronger than a variable, a variable stronger than the file, the file
// stronger than the default. A key that nobody owns is an error with its line and
// the nearest key that somebody does, because a setting that silently does nothing
// is worse than a house that does not start.
//
// In the file, ${NAME} stands for a variable of the environment, and $${ for ${
// itself. A secret may be file:PATH, from whatever source, and is then what the
// file holds.
package setting
