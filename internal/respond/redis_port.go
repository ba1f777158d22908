package respond

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisPort moves a server to another port and tells its clients' files. It
// counts from the restart on that ends the group.
var redisPort = define(spec[redisPortWith, redisClientsSeen, redisPortUndo]{
	Name: "redis.port", Phase: Harden,
	Look: lookRedisPort, Prepare: prepareRedisPort, Do: doRedisPort, Undo: undoRedisPort,
})

type redisPortWith struct {
	Server  redisServer `json:"server"`
	File    fact.Path   `json:"file"`
	Port    int         `json:"port"`
	Clients []fact.Path `json:"clients,omitempty"`
}

type redisPortUndo struct {
	Files []newContent `json:"files"`
}

func (w redisPortWith) line() redisLine {
	return redisLine{Server: w.Server, File: w.File, Name: "port", To: strconv.Itoa(w.Port)}
}

func lookRedisPort(ctx context.Context, h *host.Host, with redisPortWith) (redisClientsSeen, error) {
	seen := redisClientsSeen{with.Server.PID}
	if err := with.Server.process(h); err != nil {
		return seen, err
	}
	if with.Port == with.Server.Port {
		return seen, ErrNothing
	}
	socks, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return seen, fmt.Errorf("sockets: %w", err)
	}
	for _, s := range socks {
		if s.State == "LISTEN" && s.Port == with.Port {
			return seen, Refuse("refuse.redis-port-taken", "port", with.Port)
		}
	}
	p, _, text, err := seeText(h, with.File)
	if err != nil {
		return seen, err
	}
	if _, err := findRedisLine(h, with.line(), p, text); err != nil {
		return seen, err
	}
	for _, f := range with.Clients {
		if _, err := with.changed(h, f); err != nil {
			return seen, err
		}
	}
	return seen, guardClients(ctx, h, with.Server, with.Clients)
}

func (w redisPortWith) changed(h *host.Host, p fact.Path) ([]byte, error) {
	_, _, text, err := seeText(h, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	c := openClientFile(p, text, w.Server.Port, hostNames(h))
	err = c.setPort(w.Port)
	return c.bytes(), err
}

func prepareRedisPort(ctx context.Context, w *Writer, with redisPortWith) (redisPortUndo, error) {
	var u redisPortUndo
	own, err := prepareContent(ctx, w, with.File, func(text []byte) ([]byte, error) {
		p, err := realPath(w.Host, with.File)
		if err != nil {
			return nil, err
		}
		edits, err := findRedisLine(w.Host, with.line(), p, text)
		if err != nil {
			return nil, err
		}
		return editLines(text, edits)
	})
	if err != nil {
		return u, err
	}
	u.Files = append(u.Files, own)
	for _, f := range with.Clients {
		c, err := prepareContent(ctx, w, f, func([]byte) ([]byte, error) { return with.changed(w.Host, f) })
		if err != nil {
			return u, err
		}
		u.Files = append(u.Files, c)
	}
	return u, nil
}

func doRedisPort(_ context.Context, w *Writer, with redisPortWith, u redisPortUndo) (i18n.Message, error) {
	var files []string
	for _, c := range u.Files {
		if err := c.do(w); err != nil {
			return i18n.Message{}, err
		}
		files = append(files, c.Path.String())
	}
	return i18n.M("outcome.redis-port", "port", with.Port, "files", files), nil
}

func undoRedisPort(_ context.Context, w *Writer, _ redisPortWith, u redisPortUndo) error {
	var err error
	for _, c := range u.Files {
		err = errors.Join(err, c.undo(w))
	}
	return err
}
