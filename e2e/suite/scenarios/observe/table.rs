//! The servers: how each is started, as root, and what a client asks it.

/// A server of one of the images that the catalogue has.
pub struct Server {
    pub name: &'static str,
    /// The image, `localhost/IMAGE:local`.
    pub image: &'static str,
    /// Its command, separated by blanks; empty for the image's own.
    pub command: &'static str,
    /// What a client runs in a shell, with the server's address in `$A`.
    pub ask: &'static str,
    /// What the answer holds.
    pub answer: &'static str,
    /// Whether it does what only root can do.
    pub root: bool,
}

const fn server(
    name: &'static str,
    image: &'static str,
    command: &'static str,
    ask: &'static str,
    answer: &'static str,
) -> Server {
    Server { name, image, command, ask, answer, root: false }
}

impl Server {
    const fn needs_root(self) -> Self {
        Self { root: true, ..self }
    }
}

const WEB: &str = "servers-web";
const DNS: &str = "servers-dns";
const DATA: &str = "servers-data";

const PAGE: &str = "timeout 5 wget -q -O - http://$A/";
const NAME: &str = "timeout 5 nslookup www.e2e.example $A";
const ADDRESS: &str = "192.0.2.7";
const SERVES: &str = "It serves.";

/// All of them.
pub const SERVERS: &[Server] = &[
    server("nginx", "nginx", "", PAGE, "Welcome to nginx!"),
    server("caddy", "caddy", "", PAGE, "Caddy works!"),
    server(
        "redis",
        "redis",
        "",
        r"printf 'SET a b\r\nSAVE\r\nQUIT\r\n' | nc -w 5 $A 6379",
        "+OK\r\n+OK\r\n+OK",
    ),
    server(
        "memcached",
        "memcached",
        "",
        r"printf 'set a 0 0 1\r\nb\r\nget a\r\nquit\r\n' | nc -w 5 $A 11211",
        "VALUE a",
    ),
    server(
        "postgresql",
        "postgresql",
        "",
        // A question whether it speaks TLS: the answer is N.
        r"printf '\000\000\000\010\004\322\026\057' | nc -w 2 $A 5432",
        "N",
    ),
    server(
        "apache2",
        WEB,
        "apache2 -d /etc/apache2 -f /etc/apache2/e2e.conf -DFOREGROUND",
        PAGE,
        SERVES,
    ),
    server("lighttpd", WEB, "lighttpd -D -f /etc/lighttpd/e2e.conf", PAGE, SERVES),
    server("haproxy", WEB, "haproxy -W -f /etc/haproxy/e2e.cfg", PAGE, SERVES),
    server(
        "php",
        WEB,
        "php8.2 -S 0.0.0.0:80 -t /srv/www",
        "timeout 5 wget -q -O - http://$A/index.php",
        SERVES,
    ),
    server(
        "gunicorn",
        WEB,
        "gunicorn -b 0.0.0.0:80 -u www-data -g www-data --chdir /srv/app app:app",
        PAGE,
        SERVES,
    ),
    server(
        "squid",
        WEB,
        "squid -N -f /etc/squid/e2e.conf",
        r"printf 'GET http://192.0.2.1/ HTTP/1.0\r\n\r\n' | nc -w 5 $A 3128",
        "squid",
    ),
    server(
        "tinyproxy",
        WEB,
        "tinyproxy -d -c /etc/tinyproxy/e2e.conf",
        r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 $A 8888",
        "tinyproxy",
    ),
    server(
        "privoxy",
        WEB,
        "privoxy --no-daemon --user privoxy /etc/privoxy/e2e.conf",
        r"printf 'GET http://p.p/ HTTP/1.0\r\n\r\n' | nc -w 5 $A 8118",
        "Privoxy",
    ),
    server(
        "stunnel",
        WEB,
        "stunnel4 /etc/stunnel/e2e.conf",
        // An empty ClientHello gets an alert: record 21, version 3.
        r"(printf '\026\003\001\000\005\001\000\000\001\000'; sleep 1) | nc -w 5 $A 443 | hexdump -C",
        "15 03",
    ),
    server(
        "ngircd",
        WEB,
        "ngircd -n -f /etc/ngircd/e2e.conf",
        r"(printf 'NICK a\r\nUSER a 0 * :a\r\n'; sleep 1; printf 'QUIT\r\n') | nc -w 5 $A 6667",
        "Welcome",
    ),
    server(
        "icecast2",
        WEB,
        "icecast2 -c /etc/icecast2/e2e.xml",
        "timeout 5 wget -q -O - http://$A:8000/status-json.xsl",
        "icestats",
    ),
    server("named", DNS, "named -f -u bind -c /etc/bind/e2e.conf", NAME, ADDRESS),
    server("unbound", DNS, "unbound -d -c /etc/unbound/e2e.conf", NAME, ADDRESS),
    server(
        "dnsmasq",
        DNS,
        "dnsmasq -k -u dnsmasq -C /dev/null --no-resolv --address=/e2e.example/192.0.2.7 --pid-file=/run/dnsmasq/dnsmasq.pid --log-facility=/var/log/dnsmasq/dnsmasq.log --log-queries",
        NAME,
        ADDRESS,
    ),
    server("knot", DNS, "knotd -c /etc/knot/e2e.conf", NAME, ADDRESS),
    server(
        "pdns",
        DNS,
        "pdns_server --daemon=no --guardian=no --setuid=pdns --setgid=pdns --launch=bind --bind-config=/etc/powerdns/named.e2e.conf --socket-dir=/run/pdns --config-dir=/srv",
        NAME,
        ADDRESS,
    ),
    server(
        "atftpd",
        DNS,
        "atftpd --daemon --no-fork --user nobody.nobody --port 69 --logfile - /srv/tftp",
        "cd /tmp && timeout 5 tftp -g -r hello -l /tmp/hello.$$ $A && cat /tmp/hello.$$",
        SERVES,
    ),
    server(
        "snmpd",
        DNS,
        "snmpd -f -LF 6 /var/log/snmpd/snmpd.log -u Debian-snmp -g Debian-snmp -p /run/snmpd/snmpd.pid -C -c /etc/snmp/e2e.conf tcp:161",
        // SNMPv2c: GetRequest of sysName.0.
        r"(printf '\060\051\002\001\001\004\006public\240\034\002\004\001\002\003\004\002\001\000\002\001\000\060\016\060\014\006\010\053\006\001\002\001\001\005\000\005\000'; sleep 1) | nc -w 3 $A 161 | hexdump -C",
        "65 32 65",
    ),
    server(
        "turnserver",
        DNS,
        "turnserver -c /etc/turnserver.e2e.conf",
        // STUN: a Binding request; the answer begins with its success.
        r"(printf '\000\001\000\000\041\022\244\102ironhull-e2e'; sleep 1) | nc -w 3 $A 3478 | hexdump -C",
        "00000000  01 01",
    ),
    server(
        "mosquitto",
        DNS,
        "mosquitto -c /etc/mosquitto/e2e.conf",
        // MQTT 3.1.1: CONNECT, then PUBLISH of a retained message; the answer is CONNACK.
        r"(printf '\020\014\000\004MQTT\004\002\000\074\000\000\061\004\000\001ab'; sleep 1) | nc -w 3 $A 1883 | hexdump -C",
        "20 02 00 00",
    ),
    server(
        "beanstalkd",
        DATA,
        "beanstalkd -u beanstalkd -b /var/lib/beanstalkd",
        r"printf 'put 0 0 60 1\r\na\r\nquit\r\n' | nc -w 5 $A 11300",
        "INSERTED",
    ),
    server(
        "gearmand",
        DATA,
        "gearmand -u gearman --log-file=/var/log/gearmand/gearmand.log",
        r"(printf 'version\n'; sleep 1) | nc -w 5 $A 4730",
        "OK",
    ),
    server(
        "nats",
        DATA,
        "nats-server -js -sd /var/lib/nats -P /run/nats/nats.pid",
        r#"(printf 'CONNECT {}\r\nPUB $JS.API.STREAM.CREATE.e2e 33\r\n{"name":"e2e","subjects":["e2e"]}\r\nPING\r\n'; sleep 1) | nc -w 5 $A 4222"#,
        "PONG",
    ),
    server(
        "etcd",
        DATA,
        "etcd --data-dir /var/lib/etcd/default --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://127.0.0.1:2379",
        r#"timeout 5 wget -q -O - --post-data '{"key":"YQ==","value":"Yg=="}' http://$A:2379/v3/kv/put"#,
        "revision",
    ),
    server(
        "pgbouncer",
        DATA,
        "pgbouncer -u postgres /etc/pgbouncer/e2e.ini",
        r"printf '\000\000\000\010\004\322\026\057' | nc -w 2 $A 6432",
        "N",
    ),
    server(
        "rsyncd",
        DATA,
        "rsync --daemon --no-detach --config=/etc/rsyncd.e2e.conf",
        r"(printf '@RSYNCD: 31.0\n#list\n'; sleep 1) | nc -w 5 $A 873",
        "files",
    ),
    server(
        "node-exporter",
        DATA,
        "prometheus-node-exporter",
        "timeout 5 wget -q -O - http://$A:9100/metrics",
        "node_load1",
    ),
    server(
        "pushgateway",
        DATA,
        "prometheus-pushgateway --persistence.file=/var/lib/pushgateway/metrics --persistence.interval=2s",
        r"printf 'seen 1\n' > /tmp/p && timeout 5 wget -q -O - --post-file /tmp/p http://$A:9091/metrics/job/e2e; timeout 5 wget -q -O - http://$A:9091/metrics",
        "job=\"e2e\"",
    ),
    server("sshd", DATA, "start-sshd", "sleep 1 | nc -w 3 $A 22", "SSH-2.0").needs_root(),
];
