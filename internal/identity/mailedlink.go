package identity

// EnvironmentOfInvitation finds the environment of an invitation by its token: the
// link in the mail names nothing else. It is empty if there is none.
func (tx *Tx) EnvironmentOfInvitation(token string) (EnvironmentID, error) {
	if token == "" || len(token) > 256 {
		return "", nil
	}
	f, err := tx.First(tableInvitations, "on_hash", invitationHash(token))
	if err != nil || f == nil {
		return "", err
	}
	return EnvironmentID(f.Text("environment")), nil
}

// EnvironmentOfReset finds the environment of a password reset by its token.
func (tx *Tx) EnvironmentOfReset(token string) (EnvironmentID, error) {
	if token == "" || len(token) > 256 {
		return "", nil
	}
	f, err := tx.First(tableResets, "on_hash", resetHash(token))
	if err != nil || f == nil {
		return "", err
	}
	return EnvironmentID(f.Text("environment")), nil
}
