package dashboard

import (
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/logstream"
	"github.com/lentil-dev/lentil/internal/platform"
)

// settingsView shows what a deployment is called, who may push to it, where its logs
// go, and how it ends.
type settingsView struct {
	*Visit
	URL, SiteURL string
	Keys         []platform.Credential
	Streams      []*logstream.Stream
	Fresh        string // the text of a key that was made just now
	FreshSecret  string // of a log stream
}

func (settingsView) template() string { return "settings" }
func (settingsView) heading() string  { return "Settings" }

// showSettings shows them. Keys and secrets are never among what is shown.
func (s *Site) showSettings(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &settingsView{Visit: v}
	if out.URL, out.SiteURL, err = s.Platform.Fleet.Addresses(v.Context(), v.Row.Name); err != nil {
		return nil, err
	}
	if out.Keys, err = s.Platform.DeployKeys(v.Context(), v.Row.Name); err != nil {
		return nil, err
	}
	if out.Streams, err = d.Streams.List(v.Context()); err != nil {
		return nil, err
	}
	for _, st := range out.Streams {
		st.Secret = ""
	}
	return out, nil
}

// createKey makes a deploy key and shows its text, this once.
func (s *Site) createKey(v *Visit) (string, error) {
	name := strings.TrimSpace(v.PostForm.Get("name"))
	if name == "" || len(name) > maxTokenName {
		return "", apierr.New(apierr.BadRequest, "InvalidName", "The name of a key has 1 to %d bytes; say what it is for.", maxTokenName)
	}
	_, text, err := s.Platform.CreateCredential(v.Context(), platform.NewCredential{Kind: platform.DeployKey, Name: name, Deployment: v.Row.Name, Operator: v.Operator.ID})
	if err != nil {
		return "", err
	}
	shown, err := s.showSettings(v)
	if err != nil {
		return "", err
	}
	shown.(*settingsView).Fresh = text
	return "", s.shown(v, shown)
}

// shown answers with a page that is only shown now.
func (s *Site) shown(v *Visit, shown view) error {
	if err := s.printPage(v, shown, 200); err != nil {
		return err
	}
	return errDone
}

// revokeKey ends a deploy key.
func (s *Site) revokeKey(v *Visit) (string, error) {
	c, err := s.Platform.Credential(v.Context(), v.PostForm.Get("id"))
	if err != nil {
		return "", err
	}
	if c.Kind != platform.DeployKey || c.Deployment != v.Row.Name {
		return "", apierr.New(apierr.NotFound, "CredentialNotFound", "There is no such token or key.")
	}
	if err := s.Platform.RevokeCredential(v.Context(), c.ID); err != nil {
		return "", err
	}
	v.Say("The key %s is revoked.", c.Name)
	return "", nil
}

// maxExpiry is how long a deployment that ends may live from now on.
const maxExpiry = 365 * 24 * time.Hour

// setExpiry says when the deployment ends by itself.
func (s *Site) setExpiry(v *Visit) (string, error) {
	if v.Row.Home {
		return "", apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; it does not end.", v.Row.Name)
	}
	var at time.Time
	if text := strings.TrimSpace(v.PostForm.Get("days")); text != "" && text != "0" {
		d, err := time.ParseDuration(text + "h")
		if err != nil || d <= 0 || d > maxExpiry/24 {
			return "", apierr.New(apierr.BadRequest, "InvalidExpiry", "Give a number of days between 1 and 365, or leave it empty for never.")
		}
		at = time.Now().Add(24 * d).UTC().Truncate(time.Millisecond)
	}
	if err := s.Platform.ChangeDeployment(v.Context(), v.Row.Name, func(d *platform.Deployment) { d.Expires = at }); err != nil {
		return "", err
	}
	v.Say("Saved.")
	return "", nil
}

// deleteDeployment removes the deployment with all that it has stored.
func (s *Site) deleteDeployment(v *Visit) (string, error) {
	if err := confirm(v, v.Row.Name); err != nil {
		return "", err
	}
	if err := s.Platform.DeleteDeployment(v.Context(), v.Row.Name); err != nil {
		return "", err
	}
	v.Say("The deployment %s is gone.", v.Row.Name)
	return v.ProjectBase(), nil
}

// createStream sets up a log stream and shows the secret of its signatures, this once.
func (s *Site) createStream(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	to, format := strings.TrimSpace(v.PostForm.Get("url")), v.PostForm.Get("format")
	st, err := d.Streams.Create(v.Context(), logstream.Options{URL: &to, Format: &format})
	if err != nil {
		return "", err
	}
	secret := st.Secret
	shown, err := s.showSettings(v)
	if err != nil {
		return "", err
	}
	shown.(*settingsView).FreshSecret = secret
	return "", s.shown(v, shown)
}

// deleteStream ends a log stream.
func (s *Site) deleteStream(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	if err := d.Streams.Delete(v.Context(), v.PostForm.Get("id")); err != nil {
		return "", err
	}
	v.Say("The log stream is deleted.")
	return "", nil
}
