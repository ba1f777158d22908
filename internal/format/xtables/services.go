package xtables

import (
	"strconv"
	"strings"

	"demine/internal/fact"
)

// portNames are the names of /etc/services that people write in rules.
var portNames = map[string]uint16{
	"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67, "bootpc": 68,
	"tftp": 69, "http": 80, "www": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111, "portmapper": 111, "auth": 113, "ident": 113,
	"ntp": 123, "epmap": 135, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap2": 143, "imap": 143, "snmp": 161,
	"snmp-trap": 162, "snmptrap": 162, "bgp": 179, "ldap": 389, "https": 443, "microsoft-ds": 445, "submissions": 465, "ssmtp": 465,
	"urd": 465, "isakmp": 500, "syslog": 514, "printer": 515, "dhcpv6-client": 546, "dhcpv6-server": 547, "submission": 587,
	"ipp": 631, "ldaps": 636, "rsync": 873, "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194, "ms-sql-s": 1433,
	"radius": 1812, "nfs": 2049, "zookeeper": 2181, "iscsi-target": 3260, "mysql": 3306, "ms-wbt-server": 3389, "epmd": 4369,
	"ipsec-nat-t": 4500, "sip": 5060, "mdns": 5353, "postgresql": 5432, "amqp": 5672, "amqps": 5671, "x11": 6000, "redis": 6379,
	"http-alt": 8080, "webcache": 8080, "puppet": 8140, "memcached": 11211, "zabbix-agent": 10050, "zabbix-trapper": 10051,
}

// Port reads a port: a number, or a name that is usual in rules.
func Port(s string) (uint16, bool) {
	if p, ok := portNames[strings.ToLower(s)]; ok {
		return p, true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

// Ports reads "22", "80:90", ":1023" or "1024:", with sep between the two ends.
func Ports(s, sep string) (fact.PortRange, bool) {
	if p, ok := Port(s); ok { // also "ipsec-nat-t"
		return fact.PortRange{From: p, To: p}, true
	}
	from, to, isRange := strings.Cut(s, sep)
	if !isRange {
		return fact.PortRange{}, false
	}
	r := fact.PortRange{From: 0, To: 65535}
	ok1, ok2 := true, true
	if from != "" {
		r.From, ok1 = Port(from)
	}
	if to != "" {
		r.To, ok2 = Port(to)
	}
	return r, ok1 && ok2 && r.From <= r.To
}
