// Package rules is the content that judges: one folder a rule, embedded by
// glob. See docs/manual for how to write one.
package rules

import "embed"

// FS holds every rule and its translations.
//
//go:embed */*/rule.yaml */*/zh.yaml
var FS embed.FS
