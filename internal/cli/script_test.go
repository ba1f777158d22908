package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"demine/internal/cli"
)

func TestMain(m *testing.M) {
	demine := func() {
		os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	testscript.Main(m, map[string]func(){
		"demine": demine,
		"exe":    demine, // what demine starts as a process of its own is /proc/self/exe
		"field":  field,
	})
}

// field prints one value of the JSON on stdin: field incidents.0.id
func field() {
	var v any
	b, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, key := range strings.Split(os.Args[1], ".") {
		switch t := v.(type) {
		case map[string]any:
			v = t[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(t) {
				os.Exit(1)
			}
			v = t[n]
		}
	}
	fmt.Println(v)
}

func TestScripts(t *testing.T) {
	scans, err := filepath.Abs("../report/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SCANS", scans)
			e.Setenv("LANG", "en_US.UTF-8")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and wants one of the statuses: exits 0,3,4 demine
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS[,STATUS] COMMAND [ARG...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var status interface{ ExitCode() int }
		if !errors.As(err, &status) {
			ts.Fatalf("%v", err)
		}
		code = status.ExitCode()
	}
	for _, want := range strings.Split(args[0], ",") {
		if want == strconv.Itoa(code) {
			return
		}
	}
	ts.Fatalf("exit status %d, want %s", code, args[0])
}
