package catalogue

import (
	_ "embed"
	"fmt"
	"strings"

	"ironhull.dev/e2e/cluster/archive"
)

//go:embed lister/main.go
var listerSource string

// seeding are images with directories that their programs write to and that are not empty: an
// emptyDir there has to begin with what the image has. Like most, they start as root.
var seeding = []Image{
	{
		Name:       "lister",
		About:      "without a shell or any other program: lists directories with everything that can be in one",
		program:    listerSource,
		distroless: true,
		Config:     archive.Config{Entrypoint: []string{"/usr/local/bin/lister"}},
		owned:      []owned{{"opt/app/conf/others", 0o755, 33, 33}},
		layers: [][]entry{{
			directory("opt/app/conf/empty"),
			directory("opt/app/conf/read-only").with(0o555),
			directory("opt/app/conf/sticky").with(0o1777),
			directory("opt/app/conf/closed").with(0o700),
			file("opt/app/conf/app.conf", "greeting = hello\n"),
			file("opt/app/conf/run.sh", "#!/bin/sh\n").with(0o755),
			file("opt/app/conf/sudo", "x").with(0o4755),
			file("opt/app/conf/secret.key", "x").with(0o600),
			file("opt/app/conf/closed/file", "x"),
			file("opt/app/conf/read-only/file", "x").with(0o444),
			file("opt/app/conf/two\nlines", "x"),
			file("opt/app/conf/e\u0301 \xff", "x"),
			hardLink("opt/app/conf/others/same", "opt/app/conf/app.conf"),
			symlink("opt/app/conf/link", "app.conf"),
			symlink("opt/app/conf/absolute", "/etc/passwd"),
			symlink("opt/app/conf/dangling", "nowhere"),
		}},
		// For figures: many small files, and large ones.
		filled: []filled{{"opt/app/many", 10_000, 1 << 10}, {"opt/app/large", 4, 10 << 20}},
	},
	{
		Name:     "java",
		About:    "a Java program that reads and writes its configuration below where it works",
		Packages: []string{"openjdk-17-jre-headless"},
		Without: []string{
			"ca-certificates-java", "java-common", "libcups2", "libfontconfig1", "libfreetype6",
			"libharfbuzz0b", "liblcms2-2", "libnss3", "libpcsclite1", "libasound2", "libjpeg62-turbo", "util-linux",
		},
		Config: archive.Config{
			Cmd:        []string{"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "-Xint", "-Xmx32m", "-cp", "lib", "App"},
			WorkingDir: "/opt/app",
		},
		files: map[string]string{
			"opt/app/lib/App.class":       imageFile("seeding/App.class"),
			"opt/app/conf/app.properties": "greeting=hello from Java\nstarts=0\n",
		},
	},
}

// filled is a directory with so many files of so many bytes, a hundred in each of its own.
type filled struct {
	path  string
	files int
	bytes int
}

func (f filled) add(l *archive.Layer) {
	for index := range f.files {
		content := strings.Repeat(fmt.Sprintf("%07d\n", index), f.bytes/8)
		l.File(fmt.Sprintf("%s/%03d/%05d", f.path, index/100, index), 0o644, []byte(content))
	}
}

// with gives a file or a directory a mode.
func (e entry) with(mode int64) entry {
	e.mode = mode
	return e
}
