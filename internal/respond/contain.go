package respond

// planContain: what must stop at once. The family of each confirmed miner is
// frozen, and the door that its incident came through is shut.
func planContain(m *Making) {
	for _, in := range m.incidents() {
		planDoor(m, in)
		planFreeze(m, in)
	}
}
