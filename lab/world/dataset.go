package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"demine/lab/resp"
)

// dataset prints as JSON what one Redis holds and how it is set, a name and some lines each. It reads on its input
// where Redis may be, as URLs that differ in their passwords; the first that is let in is used.
func dataset() error {
	var urls []string
	if err := json.NewDecoder(os.Stdin).Decode(&urls); err != nil {
		return fmt.Errorf("read URLs: %w", err)
	}
	all := map[string][]string{}
	if err := read(urls, all); err != nil {
		all["says"] = []string{err.Error()}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

func read(urls []string, all map[string][]string) error {
	c, err := enter(urls)
	if err != nil {
		return err
	}
	defer c.Close()
	settings, err := c.Items("CONFIG", "GET", "*")
	if err != nil {
		return fmt.Errorf("CONFIG GET: %w", err)
	}
	for i := 0; i+1 < len(settings); i += 2 {
		all["setting "+settings[i]] = settings[i+1 : i+2]
	}
	users, err := c.Items("ACL", "LIST")
	var refused resp.Error
	if err != nil && !errors.As(err, &refused) { // before Redis 6 there are no users
		return err
	}
	all["users"] = users
	keyspace, err := c.Do("INFO", "keyspace")
	if err != nil {
		return fmt.Errorf("INFO: %w", err)
	}
	for line := range strings.Lines(keyspace) {
		db, _, ok := strings.Cut(strings.TrimPrefix(line, "db"), ":")
		if !ok {
			continue
		}
		if err := keys(c, db, all); err != nil {
			return fmt.Errorf("database %s: %w", db, err)
		}
	}
	return nil
}

// enter tries the passwords.
func enter(urls []string) (c *resp.Conn, err error) {
	for _, u := range urls {
		var t resp.Target
		if t, err = resp.Parse(u); err != nil {
			return nil, err
		}
		if c, err = t.Open(); err != nil {
			continue
		}
		if _, err = c.Do("PING"); err == nil {
			return c, nil
		}
		c.Close()
	}
	return nil, err
}

func keys(c *resp.Conn, db string, all map[string][]string) error {
	if _, err := c.Do("SELECT", db); err != nil {
		return err
	}
	for cursor := "0"; ; {
		page, err := c.Items("SCAN", cursor, "COUNT", "1000")
		if err != nil || len(page) == 0 {
			return err
		}
		for _, key := range page[1:] {
			lines, err := value(c, key)
			if err != nil {
				return fmt.Errorf("key %q: %w", key, err)
			}
			all[fmt.Sprintf("key %s %q", db, key)] = lines
		}
		if cursor = page[0]; cursor == "0" {
			return nil
		}
	}
}

// value is a key's type, content and end. Not DUMP: that tells how a value is stored, which a restart changes.
func value(c *resp.Conn, key string) ([]string, error) {
	kind, err := c.Do("TYPE", key)
	if err != nil {
		return nil, err
	}
	how, ok := map[string][]string{
		"string": {"GET", key}, "list": {"LRANGE", key, "0", "-1"}, "set": {"SMEMBERS", key}, "hash": {"HGETALL", key},
		"zset": {"ZRANGE", key, "0", "-1", "WITHSCORES"}, "stream": {"XRANGE", key, "-", "+"},
	}[kind]
	if !ok {
		how = []string{"DUMP", key}
	}
	items, err := c.Items(how...)
	if err != nil {
		return nil, err
	}
	lines := []string{kind, fmt.Sprintf("sha256 %x", sum(kind, items))}
	if ends, err := c.Do("PEXPIRETIME", key); err == nil && ends != "-1" {
		lines = append(lines, "until "+ends)
	}
	return lines, nil
}

// sum does not depend on the order in which Redis lists what has none.
func sum(kind string, items []string) [32]byte {
	var entries []string
	step := map[string]int{"hash": 2}[kind]
	for e := range slices.Chunk(items, max(step, 1)) {
		entries = append(entries, fmt.Sprintf("%q", e))
	}
	if kind == "hash" || kind == "set" {
		slices.Sort(entries)
	}
	return sha256.Sum256([]byte(strings.Join(entries, "\n")))
}
