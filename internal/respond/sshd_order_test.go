package respond

import "testing"

// Two steps of one plan change the same file: what the second saw before the
// first was done still holds, and they are undone in any order.
func TestTwoSettingsOfOneFile(t *testing.T) {
	for _, firstBack := range []int{0, 1} {
		p := plant(t, folderFor(t)+"/sshd_config", "PermitRootLogin yes\n# between\nX11Forwarding no\nAuthorizedKeysCommand /tmp/.k\nUsePAM yes\n")
		text := contentOf(t, p)
		xs := []*tried{
			try(t, sshdRootLogin, sshdSetting{Config: p, File: p, Line: 1, Name: "permitrootlogin", From: "yes", To: "prohibit-password"}),
			try(t, sshdKeysCommand, sshdSetting{Config: p, File: p, Line: 4, Name: "authorizedkeyscommand", From: "/tmp/.k"}),
		}
		xs[1].w = xs[0].w // one vault
		expect, err := xs[1].a.Look(t.Context(), xs[1].w.Host, &xs[1].s)
		ok(t, err)
		ok(t, xs[0].apply())
		if now, err := xs[1].a.Look(t.Context(), xs[1].w.Host, &xs[1].s); err != nil || !same(expect, now) {
			t.Errorf("the second step has drifted: %s %s %v", expect, now, err)
		}
		ok(t, xs[1].apply())
		ok(t, xs[firstBack].back())
		ok(t, xs[1-firstBack].back())
		if got := contentOf(t, p); got != text {
			t.Errorf("%q", got)
		}
	}
}
