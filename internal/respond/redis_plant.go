package respond

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/authorizedkeys"
	"demine/internal/format/mask"
	"demine/internal/format/rdb"
)

// redisPlant is a key that an intruder set so that its value ends up in a file:
// the key's name, and what must stand in its value: lines as facts have them,
// or fingerprints of public keys.
type redisPlant struct {
	Key    string   `json:"key"`
	Lines  []string `json:"lines,omitempty"`
	Prints []string `json:"prints,omitempty"`
}

// redisKey is a planted key that was found in a database.
type redisKey struct {
	DB   int    `json:"db"`
	Name []byte `json:"name"`
}

func (k redisKey) String() string { return fact.Text(k.Name) }

// plantsOf gathers the keys behind the planted lines and public keys that
// confirmed incidents accuse.
func plantsOf(m *Making) []redisPlant {
	var out []redisPlant
	for _, in := range m.Scan.Incidents {
		if in.Certainty != "confirmed" || len(m.Req.Incidents) > 0 && !slices.Contains(m.Req.Incidents, in.ID) {
			continue
		}
		for _, f := range m.Scan.Findings {
			if !slices.Contains(in.Findings, f.ID) {
				continue
			}
			if a := m.X.Autostart(f.Subject); a != nil && a.RDB != nil && a.RDB.Key != "" {
				out = addPlant(out, a.RDB.Key, a.Text, "")
			}
			if k := m.X.Key(f.Subject); k != nil && k.RDB != nil && k.RDB.Key != "" {
				out = addPlant(out, k.RDB.Key, "", k.Fingerprint)
			}
		}
	}
	slices.SortFunc(out, func(a, b redisPlant) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func addPlant(ps []redisPlant, key, line, print string) []redisPlant {
	i := slices.IndexFunc(ps, func(p redisPlant) bool { return p.Key == key })
	if i < 0 {
		ps = append(ps, redisPlant{Key: key})
		i = len(ps) - 1
	}
	if line != "" && !slices.Contains(ps[i].Lines, line) {
		ps[i].Lines = append(ps[i].Lines, line)
	}
	if print != "" && !slices.Contains(ps[i].Prints, print) {
		ps[i].Prints = append(ps[i].Prints, print)
	}
	return ps
}

// in reports whether a value really holds what was planted.
func (p redisPlant) in(value string) bool {
	for line := range strings.Lines(value) {
		shown := mask.Text(fact.Text([]byte(strings.TrimRight(line, "\r\n"))))
		if slices.ContainsFunc(p.Lines, func(want string) bool {
			short, cut := strings.CutSuffix(want, "…") // facts cut long lines
			return shown == want || strings.TrimSpace(shown) == strings.TrimSpace(want) || cut && strings.HasPrefix(shown, short)
		}) {
			return true
		}
	}
	for _, e := range authorizedkeys.Parse([]byte(value)) {
		if slices.Contains(p.Prints, e.Fingerprint) {
			return true
		}
	}
	return false
}

// planted finds the planted keys that are in memory now, in any database. A
// key of that name whose value is something else is the owner's.
func (l *liveRedis) planted(plants []redisPlant) ([]redisKey, error) {
	spaces, err := l.keyspace()
	if err != nil {
		return nil, l.because(err)
	}
	slices.SortFunc(spaces, func(a, b redisKeyspace) int { return a.DB - b.DB })
	var out []redisKey
	for _, s := range spaces {
		if err := l.ok("SELECT", strconv.Itoa(s.DB)); err != nil {
			return nil, l.because(err)
		}
		for _, p := range plants {
			dump, err := l.dump(p.Key)
			if errors.Is(err, ErrGone) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(dumped(p.Key, dump), p.in) {
				out = append(out, redisKey{s.DB, []byte(p.Key)})
			}
		}
	}
	return out, nil
}

// dump gives the value of a key of the selected database as RESTORE takes it.
// ErrGone: there is no such key.
func (l *liveRedis) dump(key string) ([]byte, error) {
	v, err := l.do("DUMP", key)
	switch {
	case err != nil:
		return nil, l.because(fmt.Errorf("key %s: %w", fact.Text([]byte(key)), err))
	case v.Null:
		return nil, ErrGone
	}
	return []byte(v.Str), nil
}

// dumped gives the strings in what DUMP answered: a type, the value, two bytes
// of version and a checksum of eight (createDumpPayload of cluster.c). With a
// header before it that is a dump of one key.
func dumped(key string, payload []byte) []string {
	if len(payload) < 11 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("REDIS0009")
	b.WriteByte(payload[0])
	b.WriteByte(0x80)
	_ = binary.Write(&b, binary.BigEndian, uint32(len(key)))
	b.WriteString(key)
	b.Write(payload[1 : len(payload)-10])
	b.WriteByte(0xff)
	var out []string
	for _, e := range rdb.Strings(b.Bytes(), 10_000) {
		out = append(out, e.Value)
	}
	return out
}

// valueSum is the sum of a value by what DUMP answered: of its type and its
// strings, since how they are packed depends on rdbcompression, which is among
// the settings that are put back.
func valueSum(payload []byte) string {
	strs := dumped("", payload)
	if len(strs) == 0 || len(payload) > 1<<20 { // beyond what rdb.Strings gives
		return sumHex(payload)
	}
	b := payload[:1:1]
	for _, s := range strs {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return sumHex(b)
}

// redisKeyCopy is a planted key with all that RESTORE needs.
type redisKeyCopy struct {
	redisKey
	Expires int64  `json:"expires,omitempty"` // milliseconds since 1970; 0: never
	SHA256  string `json:"sha256"`            // see valueSum
	Value   Blob   `json:"value"`
}

// keep puts a key into the vault.
func (l *liveRedis) keep(ctx context.Context, k redisKey, v Vault) (redisKeyCopy, error) {
	c := redisKeyCopy{redisKey: k}
	if err := l.ok("SELECT", strconv.Itoa(k.DB)); err != nil {
		return c, l.because(err)
	}
	value, err := l.dump(string(k.Name))
	if err != nil {
		return c, err
	}
	c.SHA256 = valueSum(value)
	ttl, err := l.do("PTTL", string(k.Name))
	if err != nil {
		return c, l.because(err)
	}
	if ttl.Int > 0 {
		now, err := l.now()
		if err != nil {
			return c, err
		}
		c.Expires = now + ttl.Int
	}
	c.Value, err = v.Put(ctx, "redis-key-"+strconv.Itoa(k.DB), bytes.NewReader(value))
	return c, err
}

// now is the server's clock in milliseconds since 1970.
func (l *liveRedis) now() (int64, error) {
	v, err := l.do("TIME")
	if err != nil {
		return 0, l.because(err)
	}
	if len(v.Array) != 2 {
		return 0, errors.New("redis: TIME: no time")
	}
	sec, err1 := strconv.ParseInt(v.Array[0].Str, 10, 64)
	us, err2 := strconv.ParseInt(v.Array[1].Str, 10, 64)
	return sec*1000 + us/1000, errors.Join(err1, err2)
}

// remove deletes a key if its value is still the one that was kept.
func (l *liveRedis) remove(c redisKeyCopy) error {
	name := string(c.Name)
	if err := l.ok("SELECT", strconv.Itoa(c.DB)); err != nil {
		return l.because(err)
	}
	if err := l.ok("WATCH", name); err != nil {
		return l.because(err)
	}
	value, err := l.dump(name)
	if errors.Is(err, ErrGone) {
		return l.ok("UNWATCH")
	}
	if err != nil {
		return err
	}
	if valueSum(value) != c.SHA256 {
		return fmt.Errorf("key %s: %w", c, ErrDrifted)
	}
	for _, command := range [][]string{{"MULTI"}, {"DEL", name}} {
		if err := l.ok(command...); err != nil {
			return l.because(err)
		}
	}
	done, err := l.do("EXEC")
	if err != nil {
		return l.because(err)
	}
	if done.Null {
		return fmt.Errorf("key %s: %w", c, ErrDrifted)
	}
	return nil
}

// isBack reports whether a key is there just as it was kept. ErrDrifted: there
// is another one of its name.
func (l *liveRedis) isBack(c redisKeyCopy) (bool, error) {
	if err := l.ok("SELECT", strconv.Itoa(c.DB)); err != nil {
		return false, l.because(err)
	}
	value, err := l.dump(string(c.Name))
	switch {
	case errors.Is(err, ErrGone):
		return false, nil
	case err != nil:
		return false, err
	case valueSum(value) != c.SHA256:
		return false, fmt.Errorf("key %s: %w", c, ErrDrifted)
	}
	return true, nil
}

// restore puts a key back, unless it would have expired by now.
func (l *liveRedis) restore(c redisKeyCopy, v Vault) error {
	left := int64(0)
	if c.Expires > 0 {
		now, err := l.now()
		if err != nil {
			return err
		}
		if left = c.Expires - now; left <= 0 {
			return nil
		}
	}
	value, err := readBlob(v, c.Value)
	if err != nil {
		return fmt.Errorf("key %s: %w", c, err)
	}
	if err := l.ok("SELECT", strconv.Itoa(c.DB)); err != nil {
		return l.because(err)
	}
	err = l.ok("RESTORE", string(c.Name), strconv.FormatInt(left, 10), string(value))
	var e redisError
	if errors.As(err, &e) && e.code() == "BUSYKEY" {
		return fmt.Errorf("key %s: %w", c, ErrDrifted)
	}
	return err
}
