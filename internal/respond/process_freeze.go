package respond

import "demine/internal/explain"

func planFreeze(m *Making, in *explain.Incident) {}
