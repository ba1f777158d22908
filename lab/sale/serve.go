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

// shop sells one item.
type shop struct {
	redis *pool
	db    *sql.DB
}

func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Passwords come by environment file, so that they do not show in the process list.
	redis, err := resp.Parse(os.Getenv("SHOP_REDIS"))
	if err != nil {
		return fmt.Errorf("environment variable SHOP_REDIS: %w", err)
	}
	db, err := sql.Open("mysql", os.Getenv("SHOP_DSN"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s := &shop{redis: &pool{redis, make(chan *resp.Conn, 16)}, db: db}
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

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	left, err := s.redis.do("DECR", "stock:1001")
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
	_, err := s.redis.do("PING")
	if err == nil {
		err = s.db.PingContext(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
