package lab

import "context"

func seed(ctx context.Context, h *Host) error {
	if err := quiet(ctx, h); err != nil {
		return err
	}
	return nil
}
