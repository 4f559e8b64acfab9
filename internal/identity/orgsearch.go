package identity

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/lentil-dev/lentil/internal/database"
)

// Bounds of the index of words: of one word, of one organization, and of how many
// hits are put in order. A word with more is in so many names that reading on from
// the cursor fills a page at once.
const (
	maxTerm  = 64
	maxTerms = 200
	fewHits  = 2000
)

// termTables are the tables of this file: one row for each word of each
// organization.
var termTables = []database.TableDef{
	{Name: tableTerms, Indexes: []database.IndexDef{
		{Name: "on_term", Fields: []string{"environment", "term", "organization"}},
		{Name: "on_organization", Fields: []string{"environment", "organization"}},
	}},
}

// wordsOf takes a text apart into words of letters and digits, in lower case.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		words[i] = clip(w, maxTerm)
	}
	return words
}

// terms are the words by which an organization is found: those of its name and its
// domains, each once.
func (o *Organization) terms() []string {
	all := wordsOf(o.Name)
	for _, d := range o.Domains {
		all = append(all, wordsOf(d.Name)...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxTerms)]
}

// matches reports whether each word of a search begins a word of the organization.
func (o *Organization) matches(words []string) bool {
	terms := o.terms()
	for _, w := range words {
		if !slices.ContainsFunc(terms, func(t string) bool { return strings.HasPrefix(t, w) }) {
			return false
		}
	}
	return true
}

// setTerms makes the rows of an organization's words what they should be; no words
// stand for an organization that is gone.
func (tx *Tx) setTerms(id EnvironmentID, org OrganizationID, want []string) error {
	rows, err := tx.All(tableTerms, "on_organization", string(id), string(org))
	if err != nil {
		return err
	}
	for i := range rows {
		if !without(&want, rows[i].Text("term")) {
			if err := tx.Remove(&rows[i]); err != nil {
				return err
			}
		}
	}
	for _, term := range want {
		if err := tx.Add(tableTerms, Row{Text("environment", id), Text("term", term), Text("organization", org)}); err != nil {
			return err
		}
	}
	return nil
}

// removeTerms deletes an organization's words.
func (tx *Tx) removeTerms(o *Organization) error { return tx.setTerms(o.Environment, o.ID, nil) }

// organizationsFound lists the organizations that a text finds.
func (tx *Tx) organizationsFound(id EnvironmentID, q OrganizationQuery) (*List[Organization], error) {
	words := wordsOf(q.Search)
	if len(words) == 0 {
		return &List[Organization]{Data: []Organization{}}, q.Page.check()
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // long ones are rarer
	var ids []string
	for _, w := range words {
		ids = ids[:0]
		in := database.Interval{Lower: key(string(id), w), Upper: key(string(id), w+string(unicode.MaxRune))}
		err := tx.Each(tableTerms, "on_term", in, ascending, func(f Found) (bool, error) {
			ids = append(ids, f.Text("organization"))
			return len(ids) <= fewHits, nil
		})
		if err != nil {
			return nil, err
		}
		if len(ids) <= fewHits {
			break
		}
	}
	if len(ids) > fewHits {
		return tx.allOrganizations(id, q.Page, func(o *Organization) bool { return o.matches(words) })
	}
	slices.Sort(ids)
	return pageOf(slices.Compact(ids), q.Page, func(org string) (*Organization, error) {
		o, err := tx.Organization(id, OrganizationID(org))
		if err == nil && !o.matches(words) {
			o = nil
		}
		return o, err
	})
}

// ensureTerms indexes the organizations of before there was an index.
func (s *Service) ensureTerms(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error {
		if f, err := tx.First(tableTerms, "on_term"); err != nil || f != nil {
			return err
		}
		rows, err := tx.All(tableOrganizations, "on_environment")
		if err != nil {
			return err
		}
		for i := range rows {
			o, err := tx.withDomains(&rows[i])
			if err == nil {
				err = tx.setTerms(o.Environment, o.ID, o.terms())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
