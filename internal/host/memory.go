package host

func (liveKernel) Memory(int) (File, error) { return nil, ErrUnavailable }
