// Package firewalld reads the zones of firewalld that are kept in
// /etc/firewalld/zones and /usr/lib/firewalld/zones, and its definitions of
// services: the XML of firewalld.zone(5), firewalld.service(5) and
// firewalld.richlanguage(5).
package firewalld

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// MaxBytes is the size of the largest text that is read.
const MaxBytes = 4 << 20

// ErrMalformed says that a text is no zone or service; what was read before is
// given all the same.
var ErrMalformed = errors.New("malformed firewalld file")

// Port is a port of a service; one with a protocol only has the range 0-65535.
type Port struct {
	Proto string
	Ports fact.PortRange
}

// Parse reads a zone as one ruleset of the backend "firewalld": its table and
// its only chain have the name of the zone, which is that of the file. Each
// port, service and protocol is a rule that accepts; rich rules are read as far
// as they are a source, a port or service, and what to do, and have the rest in
// Unknown. service gives the ports of a service that the small table here does
// not know; it may be nil.
func Parse(b []byte, file fact.Path, service func(name string) []Port) (fact.Ruleset, error) {
	name := strings.TrimSuffix(path.Base(string(file)), ".xml")
	z := zone{file: file, service: service, chain: fact.Chain{Name: name, Hook: "input", Type: "filter", Policy: "drop"}}
	err := walk(b, z.start, z.end)
	z.restrict()
	return fact.Ruleset{Ref: fact.RulesetRef("firewalld", "inet", name, file), Backend: "firewalld", Family: "inet", Table: name,
		Persisted: file, Chains: []fact.Chain{z.chain}}, err
}

// Service reads the ports of a service's own file.
func Service(b []byte) (out []Port, err error) {
	err = walk(b, func(e element) {
		if p, ok := e.port(); ok && e.name == "port" {
			out = append(out, p)
		}
	}, func(string) {})
	return out, err
}

// Includes are the services that a service takes in.
func Includes(b []byte) (out []string) {
	_ = walk(b, func(e element) {
		if name := e.at["service"]; e.name == "include" && name != "" && len(out) < 16 {
			out = append(out, name)
		}
	}, func(string) {})
	return out
}

// element is a tag with its attributes and the line that it stands in.
type element struct {
	name string
	at   map[string]string
	line int
}

func walk(b []byte, start func(element), end func(string)) error {
	if len(b) > MaxBytes {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			line, _ := d.InputPos()
			e := element{fact.Text([]byte(t.Name.Local)), map[string]string{}, line}
			for _, a := range t.Attr {
				e.at[a.Name.Local] = fact.Text([]byte(a.Value))
			}
			start(e)
		case xml.EndElement:
			end(t.Name.Local)
		}
	}
}

// port reads the attributes port ("80" or "80-90") and protocol.
func (e element) port() (Port, bool) {
	p := Port{Proto: xtables.Proto(e.at["protocol"]), Ports: fact.PortRange{From: 0, To: 65535}}
	if e.at["port"] == "" {
		return p, p.Proto != ""
	}
	r, ok := xtables.Ports(e.at["port"], "-")
	p.Ports = r
	return p, ok
}

// services are those that firewalld itself ships and that open something people
// look for.
var services = map[string]string{"ssh": "tcp/22", "http": "tcp/80", "https": "tcp/443", "dhcpv6-client": "udp/546", "dhcp": "udp/67",
	"dns": "tcp/53 udp/53", "cockpit": "tcp/9090", "mdns": "udp/5353", "samba-client": "udp/137 udp/138", "ntp": "udp/123",
	"samba": "udp/137 udp/138 tcp/139 tcp/445", "ftp": "tcp/21", "mysql": "tcp/3306", "postgresql": "tcp/5432", "redis": "tcp/6379",
	"docker-registry": "tcp/5000", "nfs": "tcp/2049", "nfs3": "tcp/2049 udp/2049", "mountd": "tcp/20048 udp/20048", "smtp": "tcp/25",
	"rpc-bind": "tcp/111 udp/111", "ipp": "tcp/631 udp/631", "ipp-client": "udp/631", "snmp": "udp/161", "telnet": "tcp/23",
	"rsyncd": "tcp/873 udp/873", "vnc-server": "tcp/5900-5903", "elasticsearch": "tcp/9200 tcp/9300", "mongodb": "tcp/27017",
	"kibana": "tcp/5601", "zabbix-agent": "tcp/10050", "zabbix-server": "tcp/10051", "kube-apiserver": "tcp/6443", "prometheus": "tcp/9090",
	"etcd-client": "tcp/2379", "etcd-server": "tcp/2380", "imap": "tcp/143", "imaps": "tcp/993", "pop3": "tcp/110", "pop3s": "tcp/995",
	"smtps": "tcp/465", "smtp-submission": "tcp/587", "squid": "tcp/3128", "openvpn": "udp/1194", "ldap": "tcp/389", "ldaps": "tcp/636",
	"docker-swarm": "tcp/2377 tcp/7946 udp/7946 udp/4789", "kubelet": "tcp/10250", "rdp": "tcp/3389", "syslog": "udp/514", "git": "tcp/9418"}

// ports are those of a service; ok is false when nobody knows it.
func (z *zone) ports(name string) (out []Port, ok bool) {
	if z.service != nil {
		if out = z.service(name); len(out) > 0 {
			return out, true
		}
	}
	for _, s := range strings.Fields(services[name]) {
		proto, ports, _ := strings.Cut(s, "/")
		r, _ := xtables.Ports(ports, "-")
		out = append(out, Port{proto, r})
	}
	return out, len(out) > 0
}

// source reads an address or prefix.
func source(s string) ([]netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return []netip.Prefix{p.Masked()}, true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, true
	}
	return nil, false
}

// restrict adds what a zone that is chosen by the sender alone says of all its
// rules. An interface does not restrict: the zone may be the default one.
func (z *zone) restrict() {
	if len(z.interfaces) > 0 || len(z.sources) == 0 && !z.strange {
		return
	}
	for i := range z.chain.Rules {
		r := &z.chain.Rules[i]
		if z.strange {
			xtables.Doubt(r, "zone source")
		} else {
			xtables.NarrowSrc(r, slices.Clone(z.sources), false)
		}
	}
}
