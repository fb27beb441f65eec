package catalogue

import "ironhull.dev/e2e/cluster/archive"

// servers are images with many servers each, which `observe` is shown by: as packages install them,
// with users and directories of their own, and started as root by whatever command a pod gives them.
// Configurations say what a packager's would, but for what they listen on. One image holds many, so that
// the base they share is there once; so each server has directories of its own, where by itself it would
// have all of /run and /var/log.
var servers = []Image{
	{
		Name:  "servers-web",
		About: "web servers and proxies, started as root",
		Packages: []string{
			"apache2-bin", "lighttpd", "haproxy", "squid", "tinyproxy", "privoxy", "stunnel4", "php8.2-cli", "gunicorn", "ngircd", "icecast2",
		},
		Without: []string{"iproute2", "lsof", "libdbi-perl", "logrotate", "netbase", "squid-langpack"},
		Config:  archive.Config{Env: []string{defaultPath}, Cmd: []string{"sh"}},
		users: []string{
			"proxy:x:13:13:proxy:/bin:/usr/sbin/nologin",
			"irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin",
			"haproxy:x:101:101::/var/lib/haproxy:/usr/sbin/nologin",
			"tinyproxy:x:102:102::/run/tinyproxy:/bin/false",
			"privoxy:x:103:65534::/etc/privoxy:/usr/sbin/nologin",
			"stunnel4:x:104:104::/run/stunnel4:/usr/sbin/nologin",
			"icecast2:x:105:105::/usr/share/icecast2:/usr/sbin/nologin",
		},
		owned: []owned{
			{"run/apache2", 0o755, 33, 33}, {"run/tinyproxy", 0o755, 102, 102}, {"run/haproxy", 0o2775, 101, 101},
			{"run/ircd", 0o755, 39, 39}, {"run/lighttpd", 0o755, 33, 33}, {"run/squid", 0o755, 13, 13}, {"run/stunnel4", 0o755, 104, 104},
			{"var/log/apache2", 0o750, 0, 4}, {"var/log/lighttpd", 0o750, 33, 33}, {"var/log/squid", 0o750, 13, 13},
			{"var/log/tinyproxy", 0o755, 102, 102}, {"var/log/privoxy", 0o750, 103, 4}, {"var/log/stunnel4", 0o755, 104, 104},
			{"var/log/icecast2", 0o755, 105, 105},
			{"var/cache/lighttpd/uploads", 0o750, 33, 33}, {"var/spool/squid", 0o750, 13, 13},
			{"var/lib/php/sessions", 0o1733, 0, 0}, {"var/lib/visits", 0o755, 33, 33}, {"var/lib/haproxy", 0o755, 101, 101},
		},
		files: map[string]string{
			"srv/www/index.html": "<p>It serves.</p>\n",
			"srv/www/index.php":  "<?php session_save_path('/var/lib/php/sessions'); session_start(); $_SESSION['n'] = 1; echo 'It serves.';\n",
			"srv/app/app.py": `import os
def app(environ, start_response):
    with open("/var/lib/visits/" + str(os.getpid()), "a") as visits:
        visits.write("x")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"It serves.\n"]
`,
			"etc/apache2/e2e.conf": `ServerRoot /etc/apache2
ServerName e2e
Listen 80
User www-data
Group www-data
PidFile /run/apache2/apache2.pid
DefaultRuntimeDir /run/apache2
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
DirectoryIndex index.html
DocumentRoot /srv/www
ErrorLog /var/log/apache2/error.log
CustomLog /var/log/apache2/access.log "%h %r %s"
`,
			"etc/lighttpd/e2e.conf": `server.modules = ("mod_accesslog")
server.document-root = "/srv/www"
server.port = 80
server.username = "www-data"
server.groupname = "www-data"
server.pid-file = "/run/lighttpd/lighttpd.pid"
server.errorlog = "/var/log/lighttpd/error.log"
accesslog.filename = "/var/log/lighttpd/access.log"
server.upload-dirs = ("/var/cache/lighttpd/uploads")
index-file.names = ("index.html")
`,
			"etc/haproxy/e2e.cfg": `global
  user haproxy
  group haproxy
  stats socket /run/haproxy/admin.sock mode 660 level admin
  pidfile /run/haproxy/haproxy.pid
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend web
  bind :80
  http-request return status 200 content-type text/plain string "It serves."
`,
			"etc/squid/e2e.conf": `http_port 3128
pid_filename /run/squid/squid.pid
cache_log /var/log/squid/cache.log
access_log daemon:/var/log/squid/access.log
coredump_dir /var/spool/squid
http_access deny all
visible_hostname e2e
`,
			"etc/tinyproxy/e2e.conf": `User tinyproxy
Group tinyproxy
Port 8888
Timeout 600
LogFile "/var/log/tinyproxy/tinyproxy.log"
PidFile "/run/tinyproxy/tinyproxy.pid"
StartServers 2
`,
			"etc/privoxy/e2e.conf": `confdir /etc/privoxy
logdir /var/log/privoxy
logfile logfile
debug 1
templdir /etc/privoxy/templates
listen-address :8118
`,
			"etc/stunnel/psk": "e2e:00112233445566778899aabbccddeeff\n",
			"etc/stunnel/e2e.conf": `foreground = yes
setuid = stunnel4
setgid = stunnel4
pid = /run/stunnel4/stunnel.pid
output = /var/log/stunnel4/stunnel.log
[web]
accept = 443
connect = 127.0.0.1:1
ciphers = PSK
PSKsecrets = /etc/stunnel/psk
`,
			"etc/ngircd/e2e.conf": `[Global]
Name = irc.e2e.example
Info = e2e
Ports = 6667
ServerUID = irc
ServerGID = irc
[Options]
PAM = no
Ident = no
DNS = no
PidFile = /run/ircd/ngircd.pid
[Limits]
MaxNickLength = 9
`,
			"etc/icecast2/e2e.xml": `<icecast>
<location>e2e</location><admin>e2e@example.com</admin><hostname>e2e</hostname>
<authentication><source-password>s</source-password><admin-user>a</admin-user><admin-password>p</admin-password></authentication>
<listen-socket><port>8000</port></listen-socket>
<paths><basedir>/usr/share/icecast2</basedir><logdir>/var/log/icecast2</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>
<logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
<security><chroot>0</chroot><changeowner><user>icecast2</user><group>icecast2</group></changeowner></security>
</icecast>
`,
		},
	},
	{
		Name:  "servers-dns",
		About: "name servers and others that answer datagrams, started as root",
		Packages: []string{
			"bind9", "unbound", "dnsmasq-base", "knot", "pdns-server", "pdns-backend-bind", "atftpd", "snmpd", "coturn", "mosquitto",
		},
		Without: []string{"dns-root-data", "iproute2", "mysql-common", "netbase", "openssl", "update-inetd"},
		Config:  archive.Config{Env: []string{defaultPath}, Cmd: []string{"sh"}},
		users: []string{
			"bind:x:101:101::/var/cache/bind:/usr/sbin/nologin",
			"unbound:x:102:102::/var/lib/unbound:/usr/sbin/nologin",
			"dnsmasq:x:103:65534:dnsmasq:/var/lib/misc:/usr/sbin/nologin",
			"knot:x:105:105::/var/lib/knot:/usr/sbin/nologin",
			"pdns:x:106:106:PowerDNS:/var/spool/powerdns:/usr/sbin/nologin",
			"Debian-snmp:x:107:107::/var/lib/snmp:/bin/false",
			"turnserver:x:108:108:turnserver daemon:/:/bin/false",
			"mosquitto:x:109:109::/var/lib/mosquitto:/usr/sbin/nologin",
		},
		owned: []owned{
			{"run/named", 0o775, 0, 101}, {"var/cache/bind", 0o775, 0, 101}, {"var/lib/bind", 0o775, 0, 101},
			{"var/lib/unbound", 0o755, 102, 102}, {"run/dnsmasq", 0o755, 103, 65534}, {"run/unbound", 0o755, 102, 102}, {"run/snmpd", 0o755, 0, 0}, {"var/log/dnsmasq", 0o755, 103, 65534}, {"var/log/snmpd", 0o755, 0, 0},
			{"run/knot", 0o755, 105, 105}, {"var/lib/knot", 0o755, 105, 105},
			{"run/pdns", 0o755, 106, 106}, {"var/lib/snmp", 0o755, 107, 107},
			{"run/turnserver", 0o755, 108, 108}, {"var/log/turnserver", 0o755, 108, 108}, {"var/lib/turn", 0o755, 108, 108},
			{"run/mosquitto", 0o755, 109, 109}, {"var/lib/mosquitto", 0o700, 109, 109}, {"var/log/mosquitto", 0o700, 109, 109},
			{"etc/knot", 0o750, 0, 105},
		},
		files: map[string]string{
			"srv/zones/e2e.example": `$TTL 60
@ IN SOA ns.e2e.example. admin.e2e.example. 1 60 60 60 60
@ IN NS ns.e2e.example.
ns IN A 192.0.2.1
www IN A 192.0.2.7
`,
			"srv/tftp/hello": "It serves.\n",
			"etc/bind/e2e.conf": `options { directory "/var/cache/bind"; pid-file "/run/named/named.pid"; session-keyfile "/run/named/session.key";
  listen-on { any; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; };
zone "e2e.example" { type primary; file "/srv/zones/e2e.example"; };
controls { };
`,
			"etc/unbound/e2e.conf": `server:
  interface: 0.0.0.0
  access-control: 0.0.0.0/0 allow
  username: unbound
  directory: /var/lib/unbound
  chroot: ""
  pidfile: /run/unbound/unbound.pid
  use-syslog: no
  logfile: /var/lib/unbound/unbound.log
  verbosity: 1
  log-queries: yes
  local-zone: "e2e.example." static
  local-data: "www.e2e.example. A 192.0.2.7"
remote-control:
  control-enable: no
`,
			"etc/knot/e2e.conf": `server:
  rundir: /run/knot
  user: knot:knot
  listen: 0.0.0.0@53
log:
  - target: stderr
    any: info
database:
  storage: /var/lib/knot
template:
  - id: default
    storage: /srv/zones
    zonefile-load: whole
    zonefile-sync: -1
zone:
  - domain: e2e.example
    file: e2e.example
`,
			"etc/powerdns/named.e2e.conf": `zone "e2e.example" { type native; file "/srv/zones/e2e.example"; };
`,
			"etc/snmp/e2e.conf": `rocommunity public
sysName e2e
`,
			"etc/turnserver.e2e.conf": `listening-port=3478
no-cli
no-tls
no-dtls
log-file=/var/log/turnserver/turn.log
simple-log
pidfile=/run/turnserver/turnserver.pid
userdb=/var/lib/turn/turndb
proc-user=turnserver
proc-group=turnserver
`,
			"etc/mosquitto/e2e.conf": `listener 1883 0.0.0.0
allow_anonymous true
user mosquitto
pid_file /run/mosquitto/mosquitto.pid
persistence true
persistence_location /var/lib/mosquitto/
autosave_interval 2
log_dest file /var/log/mosquitto/mosquitto.log
`,
		},
	},
	{
		Name:  "servers-data",
		About: "queues, stores, exporters and file servers, started as root",
		Packages: []string{
			"beanstalkd", "gearman-job-server", "nats-server", "etcd-server", "pgbouncer", "rsync", "prometheus-node-exporter", "prometheus-pushgateway",
			"openssh-server",
		},
		Without: []string{"libpam-modules", "libpam-modules-bin", "libpam-runtime", "ucf", "procps", "openssh-sftp-server", "postgresql-common", "runit-helper", "systemd", "systemd-standalone-sysusers", "netbase", "lsof"},
		Config:  archive.Config{Env: []string{defaultPath}, Cmd: []string{"sh"}},
		users: []string{
			"postgres:x:101:101:postgres:/var/lib/postgresql:/bin/sh",
			"beanstalkd:x:102:102::/var/lib/beanstalkd:/usr/sbin/nologin",
			"gearman:x:103:103::/var/lib/gearman:/bin/false",
			"sshd:x:104:65534::/run/sshd:/usr/sbin/nologin",
		},
		owned: []owned{
			{"var/lib/beanstalkd", 0o755, 102, 102}, {"var/log/gearmand", 0o755, 103, 103},
			{"var/lib/nats", 0o755, 0, 0}, {"var/lib/etcd", 0o755, 0, 0}, {"var/lib/pushgateway", 0o755, 0, 0},
			{"run/pgbouncer", 0o755, 101, 101}, {"var/log/pgbouncer", 0o755, 101, 101},
			{"run/nats", 0o755, 0, 0}, {"run/rsyncd", 0o755, 0, 0}, {"var/log/rsyncd", 0o755, 0, 0}, {"run/sshd", 0o755, 0, 0}, {"srv/upload", 0o777, 65534, 65534},
		},
		files: map[string]string{
			"srv/files/hello": "It serves.\n",
			"etc/pgbouncer/e2e.ini": `[databases]
[pgbouncer]
listen_addr = 0.0.0.0
listen_port = 6432
auth_type = any
admin_users = any
logfile = /var/log/pgbouncer/pgbouncer.log
pidfile = /run/pgbouncer/pgbouncer.pid
unix_socket_dir = /run/pgbouncer
user = postgres
`,
			"etc/rsyncd.e2e.conf": `pid file = /run/rsyncd/rsyncd.pid
lock file = /run/rsyncd/rsyncd.lock
log file = /var/log/rsyncd/rsyncd.log
use chroot = no
[files]
path = /srv/files
read only = yes
`,
			"usr/local/bin/start-sshd": "#!/bin/sh\nset -e\nssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key\nexec /usr/sbin/sshd -D -e -f /dev/null -h /etc/ssh/ssh_host_ed25519_key\n",
		},
	},
}
