package sshdconfig

import "maps"

// Aliases and retired names of servconf.c's keyword table.
var aliases = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication",
	"skeyauthentication":              "kbdinteractiveauthentication",
	"pubkeyacceptedkeytypes":          "pubkeyacceptedalgorithms",
	"hostbasedacceptedkeytypes":       "hostbasedacceptedalgorithms",
	"hostdsakey":                      "hostkey",
	"keepalive":                       "tcpkeepalive",
	"dsaauthentication":               "pubkeyauthentication",
}

// The argument of these is the rest of the line, with quotes and '#' in it.
var restOfLine = map[string]bool{
	"forcecommand":                true,
	"authorizedkeyscommand":       true,
	"authorizedprincipalscommand": true,
	"versionaddendum":             true,
}

// Every line of these adds to the ones before; of all others the first line
// wins.
var collects = map[string]bool{
	"port": true, "listenaddress": true, "hostkey": true, "hostcertificate": true,
	"acceptenv": true, "allowusers": true, "denyusers": true, "allowgroups": true, "denygroups": true,
}

// Values of these are words that sshd compares without case.
var foldsCase = map[string]bool{
	"permitrootlogin": true, "passwordauthentication": true, "pubkeyauthentication": true,
	"permitemptypasswords": true, "kbdinteractiveauthentication": true, "usepam": true,
	"strictmodes": true, "permituserrc": true, "permittty": true, "ignorerhosts": true,
	"ignoreuserknownhosts": true, "hostbasedauthentication": true, "gssapiauthentication": true,
	"kerberosauthentication": true, "x11forwarding": true, "allowtcpforwarding": true,
	"allowagentforwarding": true, "allowstreamlocalforwarding": true, "disableforwarding": true,
	"gatewayports": true, "permittunnel": true, "permituserenvironment": true, "usedns": true,
	"exposeauthinfo": true, "printlastlog": true, "addressfamily": true, "tcpkeepalive": true,
}

// defaults are the built-in values of OpenSSH (servconf.c,
// fill_default_server_options), without what a distribution writes into the
// file that it ships. "none" and "any" stand for nothing set, as in sshd -T.
var defaults = map[string]string{
	"port":                            "22",
	"addressfamily":                   "any",
	"listenaddress":                   "",
	"permitrootlogin":                 "prohibit-password",
	"passwordauthentication":          "yes",
	"pubkeyauthentication":            "yes",
	"permitemptypasswords":            "no",
	"kbdinteractiveauthentication":    "yes",
	"authenticationmethods":           "any",
	"usepam":                          "no",
	"maxauthtries":                    "6",
	"maxsessions":                     "10",
	"maxstartups":                     "10:30:100",
	"logingracetime":                  "120",
	"loglevel":                        "INFO",
	"syslogfacility":                  "AUTH",
	"strictmodes":                     "yes",
	"authorizedkeysfile":              ".ssh/authorized_keys .ssh/authorized_keys2",
	"authorizedkeyscommand":           "none",
	"authorizedkeyscommanduser":       "none",
	"authorizedprincipalsfile":        "none",
	"authorizedprincipalscommand":     "none",
	"authorizedprincipalscommanduser": "none",
	"trustedusercakeys":               "none",
	"revokedkeys":                     "none",
	"hostbasedauthentication":         "no",
	"ignorerhosts":                    "yes",
	"ignoreuserknownhosts":            "no",
	"gssapiauthentication":            "no",
	"kerberosauthentication":          "no",
	"permituserrc":                    "yes",
	"permituserenvironment":           "no",
	"permittty":                       "yes",
	"forcecommand":                    "none",
	"chrootdirectory":                 "none",
	"banner":                          "none",
	"x11forwarding":                   "no",
	"allowtcpforwarding":              "yes",
	"allowagentforwarding":            "yes",
	"allowstreamlocalforwarding":      "yes",
	"disableforwarding":               "no",
	"gatewayports":                    "no",
	"permittunnel":                    "no",
	"permitopen":                      "any",
	"permitlisten":                    "any",
	"usedns":                          "no",
	"exposeauthinfo":                  "no",
	"printlastlog":                    "yes",
	"clientaliveinterval":             "0",
	"clientalivecountmax":             "3",
	"pidfile":                         "/run/sshd.pid",
	"allowusers":                      "",
	"denyusers":                       "",
	"allowgroups":                     "",
	"denygroups":                      "",
}

// Defaults gives OpenSSH's built-in values of the keywords that matter to
// security, as a new map; an empty value means that nothing is restricted.
func Defaults() map[string]string { return maps.Clone(defaults) }
