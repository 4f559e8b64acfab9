package projectfile

import "strings"

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

// Placeholder reports whether a value only holds the place of one, as those of the
// guide do: client_01..., sk_test_..., your_32_char_minimum_password_here, <value>.
func Placeholder(value string) bool {
	return strings.HasSuffix(value, "...") || strings.HasSuffix(value, "…") ||
		strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">") ||
		strings.HasPrefix(value, "your_") || strings.HasPrefix(value, "your-")
}
