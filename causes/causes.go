// Package causes is the content that explains how intruders get in: one folder
// a hypothesis, embedded by glob.
package causes

import "embed"

// FS holds every hypothesis and its translations.
//
//go:embed */cause.yaml */zh.yaml
var FS embed.FS
