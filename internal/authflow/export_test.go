package authflow

// ReadUserCode is for fuzzing.
func ReadUserCode(s string) (string, bool) { return readUserCode(s) }
