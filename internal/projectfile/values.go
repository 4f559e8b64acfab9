package projectfile

// Values are all variables as a .env reader would see them: the last assignment wins.
func (d *Dotenv) Values() map[string]string {
	all := map[string]string{}
	for _, p := range d.pieces {
		if p.name != "" {
			all[p.name] = p.value
		}
	}
	return all
}
