package respond

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"demine/internal/fact"
	"demine/internal/format/redisconf"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisRequirepass gives a server a password and tells it to its clients'
// files. The password is made when the step is done; it stands in those files
// and in the vault, never in the plan, the journal or on the screen.
var redisRequirepass = define(spec[redisPasswordWith, redisClientsSeen, redisPasswordUndo]{
	Name: "redis.requirepass", Phase: Harden,
	Look: lookRedisPassword, Prepare: prepareRedisPassword, Do: doRedisPassword, Undo: undoRedisPassword,
})

type redisPasswordWith struct {
	Server  redisServer `json:"server"`
	File    fact.Path   `json:"file"`
	Clients []fact.Path `json:"clients,omitempty"`
	UID     int         `json:"uid,omitempty"` // whom the server will run as; 0: as before
	GID     int         `json:"gid,omitempty"`
}

func (w redisPasswordWith) line(to string) redisLine {
	return redisLine{Server: w.Server, File: w.File, Name: "requirepass", To: to}
}

// redisClientsSeen is all that is compared: files may be changed by another
// step of the plan, and who is connected is looked at each time, since pools
// come and go.
type redisClientsSeen struct {
	PID int `json:"pid"`
}

type redisPasswordUndo struct {
	Server  newContent   `json:"server"`
	Clients []newContent `json:"clients,omitempty"`
	Was     FileOwner    `json:"was"`
	To      FileOwner    `json:"to"`
}

func lookRedisPassword(ctx context.Context, h *host.Host, with redisPasswordWith) (redisClientsSeen, error) {
	l, err := openRedis(ctx, h, with.Server)
	if err != nil {
		return redisClientsSeen{}, err
	}
	defer l.Close()
	if has, _, err := l.config("requirepass"); err != nil || has != "" {
		return redisClientsSeen{}, errors.Join(err, ErrNothing)
	}
	if err := l.alone(); err != nil {
		return redisClientsSeen{}, err
	}
	if l.truth.acl {
		return redisClientsSeen{}, Refuse("refuse.redis-acl", "pid", with.Server.PID)
	}
	p, _, text, err := seeText(h, with.File)
	if err != nil {
		return redisClientsSeen{}, err
	}
	if _, err := findRedisLine(h, with.line("x"), p, text); err != nil {
		return redisClientsSeen{}, err
	}
	seen := redisClientsSeen{with.Server.PID}
	for _, f := range with.Clients {
		if _, err := with.changed(h, f, "x"); err != nil {
			return seen, err
		}
	}
	return seen, guardClients(ctx, h, with.Server, with.Clients)
}

// changed is a client's file with the password.
func (w redisPasswordWith) changed(h *host.Host, p fact.Path, pass string) ([]byte, error) {
	_, _, text, err := seeText(h, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	c := openClientFile(p, text, w.Server.Port, hostNames(h))
	err = c.setPassword(pass)
	return c.bytes(), err
}

// newPassword has 192 bits in 32 characters that need no quotes anywhere.
func newPassword() (string, error) {
	var b [24]byte
	_, err := rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), err
}

func prepareRedisPassword(ctx context.Context, w *Writer, with redisPasswordWith) (redisPasswordUndo, error) {
	var u redisPasswordUndo
	pass, err := newPassword()
	if err != nil {
		return u, err
	}
	if u.Server, err = prepareContent(ctx, w, with.File, func(text []byte) ([]byte, error) {
		p, err := realPath(w.Host, with.File)
		if err != nil {
			return nil, err
		}
		edits, err := findRedisLine(w.Host, with.line(pass), p, text)
		if err != nil {
			return nil, err
		}
		return editLines(text, edits)
	}); err != nil {
		return u, err
	}
	for _, f := range with.Clients {
		c, err := prepareContent(ctx, w, f, func([]byte) ([]byte, error) { return with.changed(w.Host, f, pass) })
		if err != nil {
			return u, err
		}
		u.Clients = append(u.Clients, c)
	}
	u.Was, u.To, err = with.closed(w.Host, u.Server.Path)
	return u, err
}

// closed: nobody but root and the server's group reads a file with a password.
func (w redisPasswordWith) closed(h *host.Host, p fact.Path) (was, to FileOwner, err error) {
	if was, err = ownerAt(h, p); err != nil {
		return was, was, err
	}
	to = was
	to.Mode &^= 0o007
	uid, gid := w.UID, w.GID
	if uid == 0 {
		var err1, err2 error
		uid, err1 = uidOf(h, w.Server.PID)
		gid, err2 = gidOf(h, w.Server.PID)
		if err := errors.Join(err1, err2); err != nil {
			return was, to, err
		}
	}
	if was.Mode&0o004 == 0 || uid == 0 || uid == was.UID {
		return was, to, nil
	}
	if was.GID != 0 && was.GID != gid && was.Mode&0o060 != 0 {
		return was, to, Refuse("refuse.redis-config-group", "path", p)
	}
	to.GID, to.Mode = gid, to.Mode|0o040
	return was, to, nil
}

func doRedisPassword(ctx context.Context, w *Writer, with redisPasswordWith, u redisPasswordUndo) (i18n.Message, error) {
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return i18n.Message{}, err
	}
	defer l.Close()
	pass, err := u.password(w)
	if err != nil {
		return i18n.Message{}, err
	}
	if err := setOwner(w, u.Server.Path, u.Was, u.To); err != nil { // before the password is in it
		return i18n.Message{}, err
	}
	u.Server.Was.Mode, u.Server.Was.UID, u.Server.Was.GID = u.To.Mode, u.To.UID, u.To.GID
	files := []string{u.Server.Path.String()}
	for _, c := range append([]newContent{u.Server}, u.Clients...) {
		if err := c.do(w); err != nil {
			return i18n.Message{}, err
		}
	}
	for _, c := range u.Clients {
		files = append(files, c.Path.String())
	}
	if err := l.set("requirepass", pass); err != nil {
		return i18n.Message{}, err
	}
	return i18n.M("outcome.redis-requirepass", "files", files), l.checkPassword(ctx, w.Host)
}

// password is the one that the server's new file has.
func (u redisPasswordUndo) password(w *Writer) (string, error) {
	text, err := fromVault(w.Vault, u.Server.New)
	if err != nil {
		return "", err
	}
	pass := ""
	for _, d := range redisconf.Parse(text) {
		if d.Name == "requirepass" && len(d.Args) == 1 {
			pass = d.Args[0]
		}
	}
	if len(pass) < 32 {
		return "", errors.New("the new configuration has no password")
	}
	return pass, nil
}

// checkPassword: a new connection is asked for the password, and the one of
// the file opens it.
func (l *liveRedis) checkPassword(ctx context.Context, h *host.Host) error {
	at, err := l.server.addresses(ctx, h)
	if err != nil || len(at) == 0 {
		return errors.Join(err, ErrGone)
	}
	c, err := dialRedis(ctx, h, l.server.PID, at[0])
	if err != nil {
		return err
	}
	defer c.Close()
	var e redisError
	if err := c.ok("PING"); !errors.As(err, &e) || e.code() != "NOAUTH" {
		return fmt.Errorf("a new connection is not asked for the password: %v", err)
	}
	again, err := openRedis(ctx, h, l.server)
	if err == nil {
		again.Close()
	}
	return err
}

// undoRedisPassword opens the running server first, while the file still has
// the password that lets in.
func undoRedisPassword(ctx context.Context, w *Writer, with redisPasswordWith, u redisPasswordUndo) error {
	if s, err := with.Server.again(ctx, w.Host); err == nil { // else it is down, and starts with the old file
		if err := openAgain(ctx, w, s, u); err != nil {
			return err
		}
	}
	for _, c := range append([]newContent{u.Server}, u.Clients...) {
		if err := c.undo(w); err != nil {
			return err
		}
	}
	return setOwner(w, u.Server.Path, u.To, u.Was)
}

func openAgain(ctx context.Context, w *Writer, s redisServer, u redisPasswordUndo) error {
	l, err := openRedis(ctx, w.Host, s)
	if err != nil {
		return err
	}
	defer l.Close()
	has, _, err := l.config("requirepass")
	if err != nil || has == "" {
		return err
	}
	if pass, err := u.password(w); err != nil {
		return err
	} else if has != pass {
		return fmt.Errorf("redis (pid %d): its password is another: %w", s.PID, ErrDrifted)
	}
	return l.set("requirepass", "")
}
