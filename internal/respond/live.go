package respond

import (
	"log/slog"

	"demine/internal/host"
)

// Live is the right to change the host that demine runs on. What is taken away
// goes to the vault; state is the folder that it lies in.
func Live(h *host.Host, v Vault, state string, log *slog.Logger) *Writer {
	return &Writer{
		Host: h, Proc: LiveProcesses(), Files: LiveFiles(), Filter: LiveFilter(), Units: LiveUnits(),
		Vault: v, State: state, Log: log,
	}
}
