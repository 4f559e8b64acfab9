package authflow

// CheckPassword says what is wrong with a password that an application sets for a
// user with this address; nil if nothing is. It is the rule of the sign-up page.
func CheckPassword(password, email string) *Problem { return checkPassword(password, email) }
