package dashboard

import (
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deploy"
)

// shownHistory is how many happenings the page shows.
const shownHistory = 200

// historyView lists what changed about the deployment's code and variables.
type historyView struct {
	*Visit
	Rows []deploy.Happening
}

func (historyView) template() string { return "history" }
func (historyView) heading() string  { return "History" }

// showHistory lists it.
func (s *Site) showHistory(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &historyView{Visit: v}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Rows, err = deploy.History(v.Context(), tx, shownHistory)
		return err
	})
	return out, err
}
