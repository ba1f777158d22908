// Package judge applies rules to what was seen and says what each proves, or
// that it cannot be known. It is pure: the same snapshot and the same rules
// give the same Report. It is the home of the expression engine.
package judge

import (
	"demine/internal/fact"
	"demine/internal/i18n"
)

// Classes of rules: an attack finding says that somebody did something; a
// posture finding that a door stands open.
const (
	Attack  = "attack"
	Posture = "posture"
)

// Certainties, strongest first.
const (
	Confirmed = "confirmed"
	Likely    = "likely"
	Possible  = "possible"
)

// Finding is one rule that fired on one subject.
type Finding struct {
	ID        string       `json:"id"` // stable between looks: of rule and subject
	Rule      string       `json:"rule"`
	Class     string       `json:"class"`
	Certainty string       `json:"certainty"`
	Severity  int          `json:"severity"` // 1 (note) to 5 (act now)
	Subject   fact.Ref     `json:"subject"`
	Origin    *fact.Origin `json:"origin,omitempty"`
	Message   i18n.Message `json:"message"`
	Attack    []string     `json:"attack,omitempty"` // ATT&CK technique ids
	Remedy    []string     `json:"remedy,omitempty"`
	Trial     bool         `json:"trial,omitempty"` // reported, never acted on
	About     []fact.Ref   `json:"about,omitempty"` // other facts that it speaks of
}

// Unknown is a rule that could not be decided for a subject, or for a whole
// kind ("kind:process").
type Unknown struct {
	Rule    string   `json:"rule"`
	Subject fact.Ref `json:"subject"`
	Why     string   `json:"why"` // code: the gap's code, or "unseen"
	Detail  string   `json:"detail,omitempty"`
	Count   int      `json:"count,omitempty"` // subjects alike; 0 means one
}

// Excused is a subject on which a rule would have fired but for a named
// reason.
type Excused struct {
	Rule    string   `json:"rule"`
	Subject fact.Ref `json:"subject"`
	Reason  string   `json:"reason"` // id of the exception
}

// Report is what the rules say about a Snapshot.
type Report struct {
	Findings []Finding `json:"findings"`
	Unknown  []Unknown `json:"unknown"`
	Excused  []Excused `json:"excused,omitempty"`
	Allowed  []Allowed `json:"allowed,omitempty"`
}
