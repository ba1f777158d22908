package respond

import (
	"context"
	"io"
	"log/slog"

	"demine/internal/host"
)

// Writer is the right to change one host. Only this package makes use of one.
// Host reads; the other fields change. Each field is an interface so that an
// in-memory host can stand in for the kernel in tests of the engine.
type Writer struct {
	Host   *host.Host
	Proc   Processes
	Files  Files
	Filter Filter
	Units  Units
	Vault  Vault
	State  string // demine's own folder
	Log    *slog.Logger
}

// Vault keeps what is taken away or overwritten, encoded so that no scanner
// mistakes it for the thing itself. Package store has one.
type Vault interface {
	// Put stores all that r gives and returns when it is durable. The name is a
	// hint for people.
	Put(ctx context.Context, name string, r io.Reader) (Blob, error)
	// Get gives the bytes back; a blob whose sum is wrong is an error at its end.
	Get(b Blob) (io.ReadCloser, error)
}

// Blob names something in the Vault.
type Blob struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}
