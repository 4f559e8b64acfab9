package udf

import (
	"context"
	"errors"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// invalid is a rule that user code broke; it reaches JavaScript as an Error it can catch.
func invalid(code, format string, args ...any) error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}

// badQuery is a query that the library would not have written.
func badQuery(format string, args ...any) error { return invalid("InvalidQuery", format, args...) }

// evalError is a filter that does not fit the document it is applied to.
func evalError(format string, args ...any) error { return invalid("EvalError", format, args...) }

// invalidArgument is a malformed argument of a syscall, labelled with the method of the library.
func invalidArgument(arg, method string, cause any) error {
	return invalid("InvalidArgument", "Invalid argument `%s` for `%s`: %v", arg, method, cause)
}

// unsupported names a feature that this house does not offer yet.
func unsupported(feature string) error {
	return apierr.New(apierr.Unsupported, "NotSupported", "%s is not supported by Lentil yet.", feature)
}

// toJS decides what an error of a syscall becomes: a rule that user code broke can be
// caught by it; anything else ends the run (convex-runtime.md §3.1).
func toJS(err error) error {
	var throw *isolate.Throw
	if err == nil || errors.As(err, &throw) || errors.Is(err, context.Canceled) {
		return err
	}
	e, ok := apierr.As(err)
	if !ok {
		return err
	}
	switch e.Kind {
	case apierr.BadRequest, apierr.Forbidden, apierr.NotFound, apierr.TooLarge, apierr.Unauthenticated, apierr.Unsupported:
		return &isolate.Throw{Message: e.Message}
	}
	return err
}

// errPanicked is what those get who waited for a run that broke down.
var errPanicked = errors.New("udf: a run that others waited for panicked")

// errTestConflict is what the test hook throwOcc raises.
var errTestConflict = errors.New("udf: conflict asked for by throwOcc")

// failure words a failed execution for its caller.
func (f *failed) failure(requestID string) *Failure {
	return &Failure{Message: redacted(requestID) + "\n" + f.text, Data: f.data, Text: f.text}
}

// redacted is the part of a failure's message that says nothing about the code.
func redacted(requestID string) string { return "[Request ID: " + requestID + "] Server Error" }

// asFailed tells user code's failures from ours. Rules of the house that were broken
// outside of a syscall (in a system function, at commit) are failures too.
func asFailed(err error) (*failed, bool) {
	var f *failed
	if errors.As(err, &f) {
		return f, true
	}
	var x *isolate.Exception
	if errors.As(err, &x) { // the modules as a whole could not be loaded
		return &failed{text: x.Text}, true
	}
	e, ok := apierr.As(err)
	if !ok {
		return nil, false
	}
	switch e.Kind {
	case apierr.BadRequest, apierr.Forbidden, apierr.NotFound, apierr.TooLarge, apierr.Unauthenticated, apierr.Unsupported:
		return &failed{text: e.Message}, true
	}
	return nil, false
}
