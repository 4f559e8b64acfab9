package login

import (
	"net/http"
	"net/url"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// DevicePath is where a person enters the code that a device shows.
const DevicePath = "/device"

// deviceCodePage asks for that code.
type deviceCodePage struct {
	form
	UserCode string // typed, or brought along by the address
}

// devicePage asks whether the device is to be signed in.
type devicePage struct {
	form
	UserCode string
}

// deviceOverPage says what became of it.
type deviceOverPage struct {
	form
	Outcome authflow.DeviceOutcome
}

func (deviceCodePage) template() string { return "device-code.html" }
func (devicePage) template() string     { return "device.html" }
func (deviceOverPage) template() string { return "device-over.html" }

// device fills in the question.
func (p *Pages) device(s *authflow.AskDevice) page {
	f := p.form(s.Screen, "Sign in a device")
	f.Email = s.Email
	return devicePage{f, s.UserCode}
}

// deviceOver fills in the end.
func (p *Pages) deviceOver(s *authflow.TellDevice) page {
	heading := map[authflow.DeviceOutcome]string{authflow.DeviceAllowed: "Device signed in", authflow.DeviceDenied: "Device refused", authflow.DeviceGone: "Too late"}[s.Outcome]
	return deviceOverPage{p.form(s.Screen, heading), s.Outcome}
}

// deviceForm prints the page that asks for the code. One that came with the address is
// filled in but not sent: a link alone must not get anybody half-way.
func (p *Pages) deviceForm(w http.ResponseWriter, status int, typed string, problem *authflow.Problem) error {
	f := form{frame: p.frame("Connect a device"), Action: DevicePath, Focus: "user_code"}
	f.NewTab = true
	if problem != nil {
		f.Problems.Code = problem.Message
	}
	return p.print().print(w, status, deviceCodePage{f, typed})
}

// enterCode is GET /device.
func (p *Pages) enterCode(w http.ResponseWriter, r *http.Request) error {
	return p.deviceForm(w, http.StatusOK, text(r.URL.Query(), "user_code", 32), nil)
}

// codeEntered is POST /device.
func (p *Pages) codeEntered(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "malformed_form", "The form could not be read. Go back and try again.").Wrap(err)
	}
	typed := text(r.PostForm, "user_code", 32)
	v := p.visitor(r, "")
	begun, problem, err := p.Flow.EnterDevice(r.Context(), v, func(client identity.ClientID) string { return p.visitor(r, client).SSO }, typed)
	if err != nil {
		return err
	}
	if begun.Browser != v.Browser {
		p.setCookie(w, r, authflow.BrowserCookie, begun.Browser, browserAge)
	}
	if problem != nil {
		status := wire.Status(apierr.BadRequest)
		if problem.Retry > 0 {
			status = wire.Status(apierr.RateLimited)
		}
		return p.deviceForm(w, status, typed, problem)
	}
	return p.redirect(w, r, AttemptPath+url.PathEscape(string(begun.Attempt)), http.StatusSeeOther)
}
