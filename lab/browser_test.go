//go:build lab

package lab

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.Bool("screenshots", false, "write docs/report.*.png")

// TestReportInBrowser: the report on the incident, made on the host, is opened by
// a real browser: nothing but the file is fetched, nothing is complained about,
// the rules of accessibility of axe hold in light and dark, and it can be
// printed.
func TestReportInBrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", ".cache", "axe", "package", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v (.ci/deps fetches it)", err)
	}
	h := boot(t, Config{Name: "report", Scenario: "seed"})
	if err := h.CopyIn(t.Context(), product(t), "/root/demine"); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			r, err := h.Run(t.Context(), "/root/demine", "report", "--lang", lang, "--format", "html")
			if err != nil || r.Exit != 0 {
				t.Fatalf("exit %d, %v: %s", r.Exit, err, r.Stderr)
			}
			for _, want := range []string{"minerd", "6380", "/var/spool/cron", "<svg"} {
				if !strings.Contains(r.Stdout, want) {
					t.Errorf("%q is not in the report", want)
				}
			}
			page := filepath.Join(t.TempDir(), "report.html")
			if err := os.WriteFile(page, []byte(r.Stdout), 0o600); err != nil {
				t.Fatal(err)
			}
			b := browse(t)
			b.do(chromedp.Navigate((&url.URL{Scheme: "file", Path: page}).String()), chromedp.WaitReady(chromedp.CSS("main")))
			if said := get(b, chromedp.Evaluate[string](`document.documentElement.lang`)); said != lang {
				t.Errorf("the page says that it is in %q", said)
			}
			for _, scheme := range []string{"light", "dark"} {
				b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				}))
				b.accessible(string(axe), scheme)
			}
			b.printed()
			b.quiet(page)
			if *screenshots {
				b.picture(filepath.Join("..", "docs", "report."+lang+".png"))
			}
		})
	}
}

// browser is a page in a headless Chromium and what it did.
type browser struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	fetched  []string
	complain []string
}

func browse(t *testing.T) *browser {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium-headless-shell"), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1000, 1300))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}))
	return b
}

// command makes an action of a command of the protocol that answers nothing.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.fetched = append(b.fetched, e.Request.URL)
	case *log.EventEntryAdded:
		b.complain = append(b.complain, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		b.complain = append(b.complain, string(e.Type))
	case *runtime.EventExceptionThrown:
		b.complain = append(b.complain, e.ExceptionDetails.Text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// get runs an action that gives something.
func get[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// accessible runs axe, which must have judged something.
func (b *browser) accessible(axe, scheme string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](axe))
	out := get(b, chromedp.Evaluate[string](`axe.run().then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v => ({id: v.id,
		impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html)}))}))`, chromedp.EvalAwaitPromise))
	var r struct {
		Passes     int
		Violations []struct {
			ID, Impact, Help string
			Nodes            []string
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
	if r.Passes < 10 {
		b.t.Errorf("%s: axe judged %d rules", scheme, r.Passes)
	}
	for _, v := range r.Violations {
		b.t.Errorf("%s: %s (%s): %s\n%s", scheme, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func (b *browser) printed() {
	b.t.Helper()
	pdf := get(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPreferCSSPageSize()))
	if pages := strings.Count(string(pdf), "/Type /Page\n") + strings.Count(string(pdf), "/Type/Page/"); pages < 1 || pages > 6 || len(pdf) < 10_000 {
		b.t.Errorf("a PDF of %d bytes, %d pages", len(pdf), pages)
	}
}

// quiet: only the file itself was fetched, and nobody complained.
func (b *browser) quiet(page string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fetched) != 1 || !strings.HasSuffix(b.fetched[0], page) {
		b.t.Errorf("fetched: %q", b.fetched)
	}
	if len(b.complain) > 0 {
		b.t.Errorf("complaints: %q", b.complain)
	}
}

func (b *browser) picture(to string) {
	b.t.Helper()
	b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}))
	png := get(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(to, png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
