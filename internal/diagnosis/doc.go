// Package diagnosis says, for the developer, why something was refused and what
// to do about it, and remembers what was refused lately.
//
// The words are made here and in token.Explain and nowhere else, so that the
// server's log, the dashboard and `lentil doctor` say the same. A refusal names
// the doctor's check that finds its cause in a project. It is for whoever runs the
// house: it is not put into answers to strangers.
package diagnosis
