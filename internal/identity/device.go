package identity

import "strconv"

// Device is an active session and the browser's sign-in on the pages' host that it came
// from; "" if it came from none that still is.
type Device struct {
	Session
	Browser BrowserID
}

// maxDevices is how many of a user's newest sessions are looked through for their own
// eyes; nobody is signed in more often.
const maxDevices = 500

// Devices lists where a user is signed in, newest first.
func (tx *Tx) Devices(env EnvironmentID, user UserID) ([]Device, error) {
	var out []Device
	seen := 0
	err := tx.Each(tableSessions, "on_user", prefixOf(string(user)), descending, func(f Found) (bool, error) {
		seen++
		if st := readSession(f.Record); st.Environment == env && st.Status(tx.now) == SessionActive {
			out = append(out, Device{st.Session, st.browser})
		}
		return seen < maxDevices, nil
	})
	return out, err
}

// EndOthers signs a user out everywhere but in one browser, and says how many sessions
// that ended.
func (tx *Tx) EndOthers(env EnvironmentID, user UserID, keep BrowserID) (ended int, err error) {
	rows, err := tx.All(tableSessions, "on_user", string(user))
	if err != nil {
		return 0, err
	}
	for _, f := range rows {
		st := readSession(f.Record)
		if st.Environment != env || st.Status(tx.now) != SessionActive || keep != "" && st.browser == keep {
			continue
		}
		if err := tx.end(&f, st); err != nil {
			return 0, err
		}
		ended++
	}
	browsers, err := tx.All(tableBrowsers, "on_user", string(user))
	if err != nil {
		return 0, err
	}
	for _, f := range browsers {
		if f.Text("environment") != string(env) || f.Text("id") == string(keep) {
			continue
		}
		if err := tx.Remove(&f); err != nil {
			return 0, err
		}
	}
	return ended, nil
}

// BrowserSecret derives a secret for a browser's sign-in: the same until it is used up.
func (tx *Tx) BrowserSecret(e *Environment, id BrowserID, purpose string) ([]byte, error) {
	f, err := tx.First(tableBrowsers, "on_id", string(id))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Browser", string(id))
	}
	return tx.Derive(e, purpose, string(id), strconv.Itoa(int(f.Number("used_up"))))
}

// UseUp makes BrowserSecret give others from now on.
func (tx *Tx) UseUp(id BrowserID) error {
	f, err := tx.First(tableBrowsers, "on_id", string(id))
	if err != nil || f == nil {
		return err
	}
	return tx.Patch(f, Row{Number("used_up", f.Number("used_up")+1)})
}
