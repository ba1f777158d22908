// Package i18n holds messages as values (an id and arguments) and the
// catalogues that make sentences of them. Only report and cli make sentences:
// everything else carries Messages.
package i18n

// Message is a sentence before it has a language.
type Message struct {
	ID   string         `json:"id"`
	Args map[string]any `json:"args,omitempty"`
}

// M makes a Message of an id and pairs of name and value.
func M(id string, pairs ...any) Message {
	m := Message{ID: id}
	for i := 0; i+1 < len(pairs); i += 2 {
		if m.Args == nil {
			m.Args = map[string]any{}
		}
		m.Args[pairs[i].(string)] = pairs[i+1]
	}
	return m
}
