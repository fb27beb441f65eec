package catalogue

import "ironhull.dev/e2e/cluster/archive"

// programs are images that differ in what their entrypoints do, as root and as users of
// their own. Each runs well by itself; the suite compares what ironhull says of it by its
// facts alone with what becomes of it hardened.
var programs = []Image{
	// Root, as most images are.
	root("root-sleeps", "nothing that needs root", "exec sleep infinity"),
	root("root-talks", "a line now and then", "while true; do date; sleep 10; done"),
	root("root-gives-up-root", "gives up root where it has it", `if [ "$(id -u)" = 0 ]; then chown -R app /data; exec su -s /bin/sh app -c 'exec sleep infinity'; fi
exec sleep infinity`),
	root("root-must-give-up", "becomes another user whatever it is", "exec su -s /bin/sh app -c 'exec sleep infinity'"),
	root("root-chowns", "changes an owner, and cannot do without", "chown app /data\nexec sleep infinity"),
	root("root-chowns-or-not", "changes an owner, if it may", "chown app /data 2>/dev/null || true\nexec sleep infinity"),
	root("root-configures", "writes its configuration below /etc", "echo x > /etc/app.conf\nexec sleep infinity"),
	root("root-caches", "writes below /var/cache", "mkdir -p /var/cache/app\necho x > /var/cache/app/x\nexec sleep infinity"),
	root("root-caches-or-not", "writes below /var/cache, if it may", "mkdir -p /var/cache/app 2>/dev/null || echo no cache\nexec sleep infinity"),
	root("root-temporary", "writes below /tmp", "echo x > /tmp/x\ncat /tmp/x\nexec sleep infinity"),
	root("root-pid-file", "writes its pid below /run", "echo $$ > /run/app.pid\nexec sleep infinity"),
	root("root-home", "writes to its home directory", `echo x > "$HOME/.state"
exec sleep infinity`),
	root("root-working-directory", "writes to where it works", "echo x > state\nexec sleep infinity").in("/srv/app"),
	root("root-opens-home", "looks into root's home directory", "ls /root\nexec sleep infinity"),
	root("root-links", "makes a link at its root", "ln -s /data /link\nexec sleep infinity"),
	root("root-port-80", "listens on port 80, and exposes it", "exec httpd -f -p 80 -h /data").exposes("80/tcp"),
	root("root-port-8080", "listens on port 8080", "exec httpd -f -p 8080 -h /data").exposes("8080/tcp"),
	root("root-logs", "writes its log below /var/log", "mkdir -p /var/log/app\necho x > /var/log/app/log\nexec sleep infinity"),
	root("root-mounts", "asks for what nobody may", "mount -t tmpfs none /data 2>/dev/null || echo no mount\nexec sleep infinity"),

	// Users of their own.
	own("own-sleeps", "nothing at all", "exec sleep infinity"),
	own("own-temporary", "writes below /tmp", "echo x > /tmp/x\nexec sleep infinity"),
	own("own-seed", "reads what its image has below /tmp", "cat /tmp/seed\nexec sleep infinity").with("tmp/seed", "x\n"),
	own("own-empty", "writes to an empty directory of its own", "echo x > /var/lib/app/x\nexec sleep infinity"),
	own("own-below-empty", "makes a directory in an empty one of its own", "mkdir -p /var/lib/app/a/b\necho x > /var/lib/app/a/b/x\nexec sleep infinity"),
	own("own-full", "writes to a directory of its own that has content", "echo x > /var/lib/app/x\nexec sleep infinity").
		with("var/lib/app/first", "x\n"),
	own("own-full-or-not", "the same, if it may", "echo x > /var/lib/app/x || echo read-only\nexec sleep infinity").
		with("var/lib/app/first", "x\n"),
	own("own-full-unwritten", "only reads a directory of its own that has content", "cat /var/lib/app/first\nexec sleep infinity").
		with("var/lib/app/first", "x\n"),
	own("own-volume", "writes to a volume of its image", "echo x > /data/x\nexec sleep infinity").volume("/data"),
	own("own-working-directory", "writes to where it works, which is empty", "echo x > state\nexec sleep infinity").in("/var/lib/app"),
	own("own-home", "writes to its home directory, which is empty", `echo x > "$HOME/.state"
exec sleep infinity`),
	own("own-home-full", "writes to its home directory, which has content", `echo x > "$HOME/.state"
exec sleep infinity`).with("home/app/.profile", "umask 022\n"),
	own("own-port-8080", "listens on port 8080", "exec httpd -f -p 8080 -h /var/lib/app").exposes("8080/tcp"),
	own("own-pid-file", "writes its pid below /run, if it may", "echo $$ > /run/app.pid || echo no pid file\nexec sleep infinity"),
	own("own-etc", "writes below /etc, which it never could", "echo x > /etc/app.conf 2>/dev/null || echo as ever\nexec sleep infinity"),
	own("own-id", "wants to be the user of its image", `[ "$(id -u)" = 1700 ]
exec sleep infinity`),
	own("own-copies", "copies its content where it may write", "cp -r /usr/share/app/. /var/lib/app/\nexec sleep infinity").
		with("usr/share/app/a", "x\n"),
}

// root is an image without a USER whose entrypoint is a script.
func root(name, about, script string) Image {
	return Image{
		Name:   name,
		About:  "root: " + about,
		Config: archive.Config{Entrypoint: []string{"/usr/local/bin/run.sh"}, Env: []string{defaultPath, "HOME=/root"}},
		users:  []string{"app:x:1700:1700:app:/home/app:/bin/sh"},
		owned:  []owned{{"data", 0o755, 0, 0}, {"srv/app", 0o755, 0, 0}},
		files:  map[string]string{"usr/local/bin/run.sh": "#!/bin/sh\nset -e\n" + script + "\n"},
	}
}

// own is the same with a user of its own, and with directories of that user's.
func own(name, about, script string) Image {
	image := root(name, about, script)
	image.About = "a user of its own: " + about
	image.Config.User = "app"
	image.Config.Env = []string{defaultPath, "HOME=/home/app"}
	image.owned = []owned{{"data", 0o755, 1700, 1700}, {"var/lib/app", 0o755, 1700, 1700}, {"home/app", 0o755, 1700, 1700}}
	return image
}

func (i Image) in(directory string) Image {
	i.Config.WorkingDir = directory
	return i
}

func (i Image) exposes(port string) Image {
	i.Config.ExposedPorts = map[string]struct{}{port: {}}
	return i
}

func (i Image) volume(path string) Image {
	i.Config.Volumes = map[string]struct{}{path: {}}
	return i
}

// with adds a file.
func (i Image) with(path, content string) Image {
	i.files[path] = content
	return i
}
