package host

func (liveKernel) Alive(int) bool { return false }
