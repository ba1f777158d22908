package cli

import (
	"demine/internal/explain"
	"demine/internal/i18n"
)

// Exit statuses, the same for text and JSON (see the manual). An unknown one
// is to be treated as a failure.
const (
	exitNothing     = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitIncomplete  = 4
	exitStale       = 5
	exitPartly      = 6
	exitRolledBack  = 7
	exitInterrupted = 130
)

// exitOf gives the exit status of a verdict; posture makes open doors and weak
// settings count too.
func exitOf(s *explain.Scan, posture bool) int {
	switch {
	case s.Verdict == explain.Mining, s.Verdict == explain.Compromised, s.Verdict == explain.Suspicious:
		return exitFound
	case posture && s.Exposed > 0:
		return exitFound
	case s.Verdict == explain.NothingFound:
		return exitNothing
	case s.Verdict == explain.Incomplete:
		return exitIncomplete
	}
	return exitFailed
}

// failure is an error with a sentence in both languages.
type failure struct{ i18n.Message }

func (f *failure) Error() string { return i18n.Load(i18n.English).Text(f.Message) }

func failed(id string, pairs ...any) error { return &failure{i18n.M(id, pairs...)} }

// usage is an error in how the command was typed, with a command that helps.
type usage struct {
	err  error
	hint string
}

func (u *usage) Error() string { return u.err.Error() }
func (u *usage) Unwrap() error { return u.err }

func misused(hint, id string, pairs ...any) error { return &usage{failed(id, pairs...), hint} }
