package relate

import (
	"testing"

	"demine/internal/fact"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		path                         fact.Path
		uninstalled, ownTools, worth bool
	}{
		{"/usr/sbin/nginx", false, false, false},
		{"/usr/local/bin/xmrig", false, false, true},
		{"/www/server/nginx/sbin/nginx", false, false, true},
		{"/snap/core/1/bin/x", false, false, false},
		{"/var/tmp/minerd", true, false, true},
		{"/tmp/.venv/bin/python", true, false, true},
		{"/memfd:runc_cloned:/proc/self/exe", true, false, true},
		{"/dev/shm/x", true, false, true},
		{"/usr/lib/.libs/ld-x64", true, false, true},
		{"/usr/local/lib/python3.6/dist-packages/sklearn/.libs/libgomp-3300acd3.so.1.0.0", true, true, true},
		{"/usr/local/lib/.libs/ld-x64", true, false, true},
		{"/opt/app/.libs", true, false, true},
		{"/usr/lib/.venv/x", true, false, true},
		{"/usr/lib/debug/.build-id/3f/aa01c2.debug", false, false, false},
		{"/etc/.nvm/x", true, false, true},
		{"/root/.acme.sh/acme.sh", true, true, true},
		{"/opt/app/.venv/bin/gunicorn", true, true, true},
		{"/srv/app/node_modules/.pnpm/esbuild@1/node_modules/esbuild/bin/esbuild", true, true, true},
		{"/home/shop/.local/bin/pm2", true, true, true},
		{"/home/shop/.local/x", true, false, true},
		{"/home/shop/.cache/x/run", true, false, true},
		{"/home/shop/.config/nvm/versions/node/v18/bin/node", true, true, true},
		{"/home/shop/.bash_profile", true, true, true},
		{"/home/shop/.nvm", true, false, true},
		{"/home/shop/.nvm/.x/run", true, false, true},
		{"/root/.../run", true, false, true},
	} {
		if u, o, w := Uninstalled(c.path), OwnTools(c.path), WorthReading(c.path); u != c.uninstalled || o != c.ownTools || w != c.worth {
			t.Errorf("%s: uninstalled %v, own tools %v, worth reading %v", c.path, u, o, w)
		}
	}
}
