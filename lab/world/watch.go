package main

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"sync"
	"time"
)

// try is one connection that watch asked for.
type try struct {
	Began time.Time `json:"began"`  // before the first packet left
	Ended time.Time `json:"ended"`  // once the answer was known
	Late  float64   `json:"late_s"` // began so much later than planned: the machine was busy
	How   string    `json:"how"`
}

// watch asks for a new connection again and again, without waiting for the last one's answer, until it is told to stop
// by the clock, and prints a line of JSON of each.
func watch(args []string) error {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	from := flags.String("from", "", "local address")
	to := flags.String("to", "", "address and port")
	every := flags.Duration("every", 100*time.Millisecond, "between two connections")
	until := flags.Int64("until", 0, "when to stop, in milliseconds after 1970")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *every <= 0 {
		return errors.New("-every must be more than 0")
	}
	var all sync.WaitGroup
	var line sync.Mutex
	out := json.NewEncoder(os.Stdout)
	stop := time.UnixMilli(*until)
	for planned := time.Now(); planned.Before(stop); planned = planned.Add(*every) {
		time.Sleep(time.Until(planned))
		began := time.Now()
		all.Go(func() {
			how := ask(*from, *to)
			line.Lock()
			defer line.Unlock()
			_ = out.Encode(try{Began: began, Ended: time.Now(), Late: began.Sub(planned).Seconds(), How: how})
		})
	}
	all.Wait()
	return nil
}

// ask connects once and says what came of it, as knock does.
func ask(from, to string) string {
	c, err := dial(from, to)
	if err == nil {
		c.Close()
		return "open"
	}
	if how := outcome(err); how != "" {
		return how
	}
	return err.Error()
}
