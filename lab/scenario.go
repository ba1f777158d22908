package lab

import (
	"context"
	"maps"
	"slices"
)

// scenario is what happens on a host once it serves.
type scenario struct {
	doc  string
	play func(context.Context, *Host) error
}

var scenarios = map[string]scenario{
	"lookalikes": {"quiet, with all that looks like an attack and is none", func(ctx context.Context, h *Host) error { return alike(ctx, h, false) }},
	"twins":      {"quiet, with the attack that looks like each of them", func(ctx context.Context, h *Host) error { return alike(ctx, h, true) }},
	"entry":      {"quiet and without customers, broken into by the way that was asked for", entry},
	"seed":       {"the incident: in through the open Redis, a job after hours, the stand-in starves the shop", seed},
	"matrix":     {"quiet and without customers, with one cell of the matrix of evasions and honest programs", matrix},
	"quiet":      {"the same host, busy and honest; its Redis is open to all", quiet},
}

// Scenarios are the names that Config.Scenario takes.
func Scenarios() []string { return slices.Sorted(maps.Keys(scenarios)) }

// Describe says what a scenario is.
func Describe(name string) string { return scenarios[name].doc }

func quiet(ctx context.Context, h *Host) error {
	h.Facts.Expect = Expect{Verdict: "nothing-found", Exposed: exposed()}
	if err := h.operator(ctx); err != nil {
		return err
	}
	return h.customers(ctx)
}

func exposed() []string { return []string{"tcp 0.0.0.0:6380", "tcp [::]:6380"} }

func alike(ctx context.Context, h *Host, twin bool) error {
	if err := quiet(ctx, h); err != nil {
		return err
	}
	if twin {
		h.Facts.Expect.Verdict = "mining"
	}
	return h.plantAll(ctx, twin)
}
