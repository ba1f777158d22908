package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// shopEnv is where the shop is told of its servers.
const shopEnv = `SHOP_DSN=shop:flash-sale-01@tcp(127.0.0.1:3306)/shop
SHOP_REDIS=redis://127.0.0.1:6380
`

const shopDB = `
CREATE DATABASE IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.orders (
	id BIGINT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL, receipt CHAR(64) NOT NULL,
	placed TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE USER IF NOT EXISTS shop@'127.0.0.1' IDENTIFIED BY 'flash-sale-01';
GRANT ALL ON shop.* TO shop@'127.0.0.1';
`

// shop lays out Redis, MariaDB and the service between them.
func shop(t *tree, h *Host) {
	redis(t, h)
	t.write(file{path: "/etc/mysql/mariadb.conf.d/60-site.cnf", text: "[mysqld]\nbind-address = *\nskip-name-resolve\ninnodb_flush_log_at_trx_commit = 2\n"})
	t.dir("/opt/shop", 0o755, 0, 0)
	t.copy(filepath.Join(h.Folder, "bin/sale"), "/opt/shop/sale", 0o755)
	t.write(file{path: "/opt/shop/deploy.sh", text: "#!/bin/sh\n# fetches the nightly build from the office\nexit 0\n", mode: 0o755})
	t.write(file{path: "/etc/shop/shop.env", text: shopEnv, mode: 0o640, gid: shopUID})
}

// openShop waits for the services, and fills the shelves.
func (h *Host) openShop(ctx context.Context) error {
	if err := h.launchRedis(ctx); err != nil {
		return err
	}
	if err := h.active(ctx, h.servers()...); err != nil {
		return err
	}
	if _, err := h.must(ctx, h.Inside, shopDB, "mariadb"); err != nil {
		return fmt.Errorf("make the shop's tables: %w", err)
	}
	if _, err := h.sh(ctx, "redis-cli -p 6380 SET stock:1001 10000000; redis-cli -p 6380 HSET item:1001 name 'flash sale' price 99; redis-cli -p 6380 SAVE"); err != nil {
		return fmt.Errorf("fill the shelves: %w", err)
	}
	return h.shopAnswers(ctx)
}

func (h *Host) shopAnswers(ctx context.Context) error {
	return until(ctx, 20*time.Second, "the shop to answer", func() error { return h.health(ctx) })
}

// health is what the shop says of itself and its servers.
func (h *Host) health(ctx context.Context) error {
	_, err := h.sh(ctx, "curl -fsS -m 5 http://127.0.0.1:8080/health")
	return err
}

// customers start to order, and the first orders arrive.
func (h *Host) customers(ctx context.Context) error {
	if h.Config.NoLoad {
		return nil
	}
	h.step("customers order, 40 a second from %d addresses", len(Customers))
	for _, c := range []struct{ url, from string }{
		{"http://" + HostV4 + ":8080/order", strings.Join(Customers[:3], ",")},
		{"http://[" + HostV6 + "]:8080/order", strings.Join(Customers[3:], ",")},
	} {
		script := fmt.Sprintf("setsid /opt/lab/sale load -url '%s' -from %s -rate 20 -report %s </dev/null >/dev/null 2>&1 &", c.url, c.from, LoadReport)
		if _, err := h.must(ctx, h.World, "", "sh", "-c", script); err != nil {
			return err
		}
	}
	return until(ctx, 20*time.Second, "orders to go through", func() error {
		waits, err := h.Waits(ctx)
		if err != nil {
			return err
		}
		for _, w := range waits {
			if w.Orders > w.Failed {
				return nil
			}
		}
		return fmt.Errorf("%d reports, no order yet", len(waits))
	})
}
