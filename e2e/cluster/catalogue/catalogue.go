package catalogue

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ironhull.dev/e2e/cluster/archive"
	"ironhull.dev/e2e/cluster/debian"
)

// Image describes a test image.
type Image struct {
	Name     string
	About    string   // one line
	Packages []string // of Debian
	Without  []string // packages to leave out of what they depend on
	Config   archive.Config

	users   []string // lines of /etc/passwd beside root's and nobody's
	owned   []owned
	files   map[string]string // path: content; executable if it begins with #!
	links   map[string]string // path: target
	caps    map[string]uint64 // path: file capabilities
	program string            // Go source of what it runs, as /usr/local/bin/NAME
	filled  []filled          // directories with many files
	// without busybox: nothing but its program runs in it
	distroless bool
	layers     [][]entry // above the layer with all of that, the lowest first
}

// owned is a directory that is not root's, or has another mode.
type owned struct {
	path     string
	mode     int64
	uid, gid int
}

//go:embed images
var imageFiles embed.FS

//go:embed injector/main.go
var injectorSource string

const capNetBindService = 1 << 10

var ports80 = map[string]struct{}{"80/tcp": {}}

// Images are all test images. None of the servers has a USER: as most images on
// the public registries, they start as root and leave that to whoever runs them.
var Images = append([]Image{
	{
		Name:  "pause",
		About: "sleeps; what a pod's sandbox runs",
		// Root like the real one's is not: runs in every pod, so as nobody.
		Config: archive.Config{User: "65535:65535", Entrypoint: []string{"/bin/sleep", "infinity"}},
	},
	{
		Name:   "busybox",
		About:  "a root image: busybox without a USER",
		Config: archive.Config{Cmd: []string{"sh"}},
	},
	{
		Name:   "busybox-named-user",
		About:  "busybox, USER app",
		Config: archive.Config{User: "app", Cmd: []string{"sh"}},
		users:  []string{"app:x:1234:1234:app:/home/app:/bin/sh"},
		owned:  []owned{{"home/app", 0o755, 1234, 1234}},
	},
	{
		Name:   "busybox-numeric-user",
		About:  "busybox, USER 1234:1234",
		Config: archive.Config{User: "1234:1234", Cmd: []string{"sh"}},
	},
	{
		Name:     "nginx",
		About:    "nginx as root on port 80",
		Packages: []string{"nginx"},
		Without:  []string{"iproute2"},
		Config:   archive.Config{Cmd: []string{"nginx", "-g", "daemon off;"}, ExposedPorts: ports80, StopSignal: "SIGQUIT"},
		owned:    []owned{{"var/log/nginx", 0o755, 33, 4}},
		links: map[string]string{
			"etc/nginx/sites-enabled/default": "/etc/nginx/sites-available/default",
			"var/www/html":                    "/usr/share/nginx/html",
			"var/log/nginx/access.log":        "/dev/stdout",
			"var/log/nginx/error.log":         "/dev/stderr",
		},
	},
	{
		Name:     "redis",
		About:    "Redis, started as root, gives up root itself; data in /data",
		Packages: []string{"redis-server"},
		Config: archive.Config{
			Entrypoint:   []string{"/usr/local/bin/docker-entrypoint.sh"},
			Cmd:          []string{"redis-server", "--protected-mode", "no"},
			WorkingDir:   "/data",
			ExposedPorts: map[string]struct{}{"6379/tcp": {}},
		},
		users: []string{"redis:x:999:999:redis:/data:/bin/sh"},
		owned: []owned{{"data", 0o755, 999, 999}},
		files: map[string]string{"usr/local/bin/docker-entrypoint.sh": imageFile("redis-entrypoint.sh")},
	},
	{
		Name:     "postgresql",
		About:    "PostgreSQL, started as root, makes its database and gives up root; data in /var/lib/postgresql/data",
		Packages: []string{"postgresql-15", "libnss-wrapper"},
		// Just-in-time compilation, and Debian's own scripts.
		Without: []string{"libllvm14", "locales", "postgresql-common", "postgresql-client-common", "ssl-cert"},
		Config: archive.Config{
			Entrypoint:   []string{"/usr/local/bin/docker-entrypoint.sh"},
			Cmd:          []string{"postgres"},
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin", "PGDATA=/var/lib/postgresql/data"},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}},
			StopSignal:   "SIGINT",
		},
		users: []string{"postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh"},
		owned: []owned{
			{"var/lib/postgresql", 0o755, 999, 999},
			// Anybody's, as in the image that everybody knows: it is meant to run under any user.
			{"var/lib/postgresql/data", 0o1777, 999, 999},
			{"run/postgresql", 0o3777, 999, 999},
		},
		files: map[string]string{"usr/local/bin/docker-entrypoint.sh": imageFile("postgresql-entrypoint.sh")},
	},
	{
		Name:     "memcached",
		About:    "memcached, started as root, gives up root itself",
		Packages: []string{"memcached"},
		Config: archive.Config{
			Cmd:          []string{"memcached", "-u", "memcache"},
			ExposedPorts: map[string]struct{}{"11211/tcp": {}},
		},
		users: []string{"memcache:x:999:999:memcache:/nonexistent:/bin/false"},
	},
	{
		Name:     "caddy",
		About:    "caddy on port 80, its binary with the file capability cap_net_bind_service",
		Packages: []string{"caddy"},
		Without:  []string{"libnss3-tools"},
		Config: archive.Config{
			Cmd:          []string{"caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"},
			Env:          []string{defaultPath, "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"},
			WorkingDir:   "/srv",
			ExposedPorts: ports80,
		},
		owned: []owned{{"config", 0o755, 0, 0}, {"data", 0o755, 0, 0}, {"srv", 0o755, 0, 0}},
		caps:  map[string]uint64{"usr/bin/caddy": capNetBindService},
	},
	{
		Name:   "user-number",
		About:  "sleeps as 65532, which no /etc/passwd names",
		Config: archive.Config{User: "65532:65532", Entrypoint: []string{"/bin/sleep", "infinity"}},
	},
	{
		Name:   "user-name",
		About:  "sleeps as node, a name; its home directory has content",
		Config: archive.Config{User: "node", Cmd: []string{"sleep", "infinity"}},
		users:  []string{"node:x:1500:1600:node:/home/node:/bin/sh"},
		owned:  []owned{{"home/node", 0o755, 1500, 1600}},
		files:  map[string]string{"home/node/.profile": "umask 022\n"},
	},
	{
		Name:   "user-group",
		About:  "sleeps as node; the group that its user states counts for nothing in a pod",
		Config: archive.Config{User: "node:33", Cmd: []string{"sleep", "infinity"}},
		users:  []string{"node:x:1500:1600:node:/home/node:/bin/sh"},
	},
	{
		Name:   "user-root",
		About:  "sleeps as root",
		Config: archive.Config{Cmd: []string{"sleep", "infinity"}},
	},
	{
		Name:   "writes-its-own",
		About:  "writes to an empty directory of its own image, and sleeps",
		Config: archive.Config{User: "app", Cmd: []string{"sh", "-c", "date > /var/lib/app/started && exec sleep infinity"}},
		users:  []string{"app:x:1700:1700:app:/nonexistent:/bin/sh"},
		owned:  []owned{{"var/lib/app", 0o750, 1700, 1700}},
	},
	{
		Name:     "caddy-8080",
		About:    "caddy as a user of its own on port 8080, its binary with the file capability cap_net_bind_service",
		Packages: []string{"caddy"},
		Without:  []string{"libnss3-tools"},
		Config: archive.Config{
			User:         "1800",
			Cmd:          []string{"caddy", "respond", "--listen", ":8080", "hello"},
			Env:          []string{defaultPath, "HOME=/tmp"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		},
		caps: map[string]uint64{"usr/bin/caddy": capNetBindService},
	},
	{
		Name:    "injector",
		About:   "an admission webhook that adds a root sidecar to every pod",
		program: injectorSource,
		Config:  archive.Config{User: "1234:1234", Entrypoint: []string{"/usr/local/bin/injector"}},
	},
}, slices.Concat(users, programs, seeding, servers, faults)...)

// Reference is what a pod names the image by.
func (i Image) Reference() string { return "localhost/" + i.Name + ":local" }

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func imageFile(name string) string {
	content, err := imageFiles.ReadFile("images/" + name)
	if err != nil {
		panic(err) // it is compiled in
	}
	return string(content)
}

// fills are what writes its layers.
func (i Image) fills() []func(*archive.Layer) error {
	fills := []func(*archive.Layer) error{i.fill}
	for _, entries := range i.layers {
		fills = append(fills, func(l *archive.Layer) error {
			for _, entry := range entries {
				entry.add(l)
			}
			return nil
		})
	}
	return fills
}

// fill writes the image's lowest layer. busybox is in every image but those called distroless, behind the image's
// own programs: tests look around in all of them.
func (i Image) fill(l *archive.Layer) error {
	users := append([]string{
		"root:x:0:0:root:/root:/bin/sh",
		"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
	}, i.users...)
	var groups []string
	for _, user := range users {
		fields := strings.Split(user, ":")
		groups = append(groups, fields[0]+":x:"+fields[3]+":")
	}
	l.File("etc/passwd", 0o644, lines(users))
	l.File("etc/group", 0o644, lines(groups))
	l.File("etc/nsswitch.conf", 0o644, lines([]string{"passwd: files", "group: files", "hosts: files dns"}))
	l.Directory("root", 0o700, 0, 0)
	l.Directory("tmp", 0o1777, 0, 0)
	l.Directory("run", 0o755, 0, 0)
	l.Symlink("/run", "var/run")
	for _, directory := range i.owned {
		l.Directory(directory.path, directory.mode, directory.uid, directory.gid)
	}
	for _, path := range slices.Sorted(maps.Keys(i.links)) {
		l.Symlink(i.links[path], path)
	}
	for _, path := range slices.Sorted(maps.Keys(i.files)) {
		content, mode := i.files[path], int64(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		l.File(path, mode, []byte(content))
	}
	if i.program != "" {
		binary, err := compile(i.program)
		if err != nil {
			return err
		}
		l.File("usr/local/bin/"+i.Name, 0o755, binary)
	}
	if len(i.Packages) > 0 {
		l.MergeUsr()
		if err := debian.Unpack(i.Packages, i.Without, l.Add); err != nil {
			return err
		}
	}
	for _, directory := range i.filled {
		directory.add(l)
	}
	if i.distroless {
		return nil
	}
	return addBusybox(l)
}

// compile makes a static binary of a program that needs nothing but Go itself.
func compile(source string) ([]byte, error) {
	work, err := os.MkdirTemp("", "program")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	for name, content := range map[string]string{"main.go": source, "go.mod": "module program\n\ngo 1.26.0\n"} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "program", ".")
	command.Dir = work
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("building it: %w", err)
	}
	return os.ReadFile(filepath.Join(work, "program"))
}

// Busybox is the path of this machine's static busybox, or where it should be.
func Busybox() string {
	for _, path := range []string{"/usr/bin/busybox", "/bin/busybox"} {
		if exists(path) {
			return path
		}
	}
	return "/bin/busybox"
}

func addBusybox(l *archive.Layer) error {
	content, err := os.ReadFile(Busybox())
	if err != nil {
		return err
	}
	applets, err := exec.Command(Busybox(), "--list").Output()
	if err != nil {
		return err
	}
	l.MergeUsr()
	l.File("usr/bin/busybox", 0o755, content)
	for applet := range strings.FieldsSeq(string(applets)) {
		if !l.Has("usr/sbin/" + applet) {
			l.Symlink("/usr/bin/busybox", "usr/bin/"+applet)
		}
	}
	return nil
}

func lines(all []string) []byte { return []byte(strings.Join(all, "\n") + "\n") }
