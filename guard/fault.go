package guard

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// errFault is a fault of this program that something on the wire has found.
var errFault = errors.New("a fault of the guard: report it")

// sound runs a decoder over what somebody sent. A fault of it is an error, so that it ends one connection and not the process: who
// sent it sends it again, and would end everybody's connections each time. Only what shares nothing with other connections is run so:
// a fault with the record or the budgets half written has to end the process. The error says where, and not what: that may quote.
func sound(decode func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w (%s)", errFault, place())
		}
	}()
	return decode()
}

// place gives the function and line of the panic that is being recovered from.
func place() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	panicked := false
	for {
		f, more := frames.Next()
		if panicked = panicked || f.Function == "runtime.gopanic"; panicked && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if !more {
			return "somewhere"
		}
	}
}
