package authflow

// AskDevice asks whether the device that shows UserCode is to be signed in as Email.
// Ways on: AllowDevice, DenyDevice, GoTo SignIn (as somebody else).
type AskDevice struct {
	Screen
	Email    string
	UserCode string // "BCDF-GHJK"
}

// DeviceOutcome is how a device's request ended.
type DeviceOutcome string

// The outcomes.
const (
	DeviceAllowed DeviceOutcome = "allowed"
	DeviceDenied  DeviceOutcome = "denied"
	DeviceGone    DeviceOutcome = "gone" // it had run out, or was answered elsewhere
)

// TellDevice says what became of the device. There is no way on.
type TellDevice struct {
	Screen
	Outcome DeviceOutcome
}

// AllowDevice and DenyDevice answer AskDevice.
type (
	AllowDevice struct{}
	DenyDevice  struct{}
)

func (AllowDevice) answer() {}
func (DenyDevice) answer()  {}

// decideDevice is the effect of the answer.
type decideDevice struct{ Allow bool }

func (decideDevice) effect() {}

// askDevice is the page with the question.
func askDevice(a attempt, _ world, s Screen) Step {
	return &AskDevice{Screen: s, Email: a.Email, UserCode: a.UserCode}
}

// nextDevice takes the answer.
func nextDevice(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in.(type) {
	case AllowDevice:
		a.Stage = atDeviceAllowed
		return a, ask(a, w, nil), []effect{decideDevice{Allow: true}}
	case DenyDevice:
		a.Stage = atDeviceDenied
		return a, ask(a, w, nil), []effect{decideDevice{}}
	}
	return a, ask(a, w, nil), nil
}

// tellDevice is the page that says how it ended.
func tellDevice(a attempt, _ world, s Screen) Step {
	outcome := DeviceGone
	switch a.Stage {
	case atDeviceAllowed:
		outcome = DeviceAllowed
	case atDeviceDenied:
		outcome = DeviceDenied
	}
	return &TellDevice{Screen: s, Outcome: outcome}
}
