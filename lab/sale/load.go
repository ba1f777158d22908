package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// second is one line of the report. Latencies are in milliseconds; an order that failed or took longer than the
// customers' patience counts as failed.
type second struct {
	At     time.Time `json:"at"`
	Orders int       `json:"orders"`
	Failed int       `json:"failed"`
	P50    float64   `json:"p50_ms"`
	P95    float64   `json:"p95_ms"`
}

type outcome struct {
	took time.Duration
	ok   bool
}

func load(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	url := flags.String("url", "", "where to order")
	rate := flags.Int("rate", 40, "orders a second")
	from := flags.String("from", "", "comma-separated local addresses of the customers")
	report := flags.String("report", "", "file for the report")
	if err := flags.Parse(args); err != nil {
		return err
	}
	out, err := os.OpenFile(*report, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	clients := customers(strings.Split(*from, ","))
	results := make(chan outcome, 1024)
	go func() {
		tick := time.NewTicker(time.Second / time.Duration(*rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				go func() { results <- buy(ctx, clients[i%len(clients)], *url) }()
			}
		}
	}()
	return tally(ctx, results, json.NewEncoder(out))
}

// customers is one client for each address; each keeps its connections, as browsers do.
func customers(addrs []string) []*http.Client {
	var clients []*http.Client
	for _, a := range addrs {
		dialer := &net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(a)}}
		clients = append(clients, &http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 8},
		})
	}
	return clients
}

func buy(ctx context.Context, c *http.Client, url string) outcome {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return outcome{}
	}
	res, err := c.Do(req)
	if err != nil {
		return outcome{time.Since(began), false}
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return outcome{time.Since(began), err == nil && res.StatusCode == http.StatusOK}
}

func tally(ctx context.Context, results <-chan outcome, out *json.Encoder) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var took []time.Duration
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-results:
			took = append(took, r.took)
			if !r.ok {
				failed++
			}
		case now := <-tick.C:
			slices.Sort(took)
			if err := out.Encode(second{now, len(took), failed, percentile(took, 50), percentile(took, 95)}); err != nil {
				return err
			}
			took, failed = took[:0], 0
		}
	}
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(len(sorted)*p/100, len(sorted)-1)
	return float64(sorted[at].Microseconds()) / 1000
}
