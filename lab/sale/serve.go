package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"demine/lab/resp"

	_ "github.com/go-sql-driver/mysql"
)

// shop sells one item. Connections to Redis are lent out through a channel.
type shop struct {
	redis chan *resp.Conn
	addr  string
	db    *sql.DB
}

func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve on")
	redis := flags.String("redis", "127.0.0.1:6380", "address of Redis")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// The password comes by environment file, so that it does not show in the process list.
	db, err := sql.Open("mysql", os.Getenv("SHOP_DSN"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s := &shop{redis: make(chan *resp.Conn, 16), addr: *redis, db: db}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /order", s.order)
	mux.HandleFunc("GET /health", s.health)
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	slog.Info("shop is open", "listen", *listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// do lends out a connection, or makes one; a connection that failed is not given back.
func (s *shop) do(args ...string) (string, error) {
	var c *resp.Conn
	select {
	case c = <-s.redis:
	default:
		var err error
		if c, err = resp.Dial("", s.addr); err != nil {
			return "", err
		}
	}
	out, err := c.Do(args...)
	if err != nil {
		c.Close()
		return "", err
	}
	select {
	case s.redis <- c:
	default:
		c.Close()
	}
	return out, nil
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	left, err := s.do("DECR", "stock:1001")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if n, err := strconv.Atoi(left); err != nil || n < 0 {
		http.Error(w, "sold out", http.StatusGone)
		return
	}
	// What a real shop does with an order costs CPU time (signing, prices, JSON): a miner must be able to hurt.
	sum := sha256.Sum256([]byte(r.RemoteAddr + left))
	for range 10_000 {
		sum = sha256.Sum256(sum[:])
	}
	if _, err := s.db.ExecContext(r.Context(), "INSERT INTO orders (item, receipt) VALUES (1001, ?)", fmt.Sprintf("%x", sum)); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "{\"receipt\":\"%x\"}\n", sum)
}

func (s *shop) health(w http.ResponseWriter, r *http.Request) {
	_, err := s.do("PING")
	if err == nil {
		err = s.db.PingContext(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
