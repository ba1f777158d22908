package respond

import "demine/internal/explain"

func planDoor(m *Making, in *explain.Incident) {}
