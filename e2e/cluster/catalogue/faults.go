package catalogue

import (
	_ "embed"

	"ironhull.dev/e2e/cluster/archive"
)

//go:embed fault/main.go
var faultSource string

// faults are programs of different languages, each in an image that starts as root. What
// they do is in the commands that the suite gives them: it breaks hardened, or by itself.
var faults = []Image{
	fault("fault-python", "Python and supervisord", "python3-minimal", "libpython3-stdlib", "supervisor"),
	fault("fault-perl", "Perl", "perl-base"),
	fault("fault-ruby", "Ruby", "ruby3.1"),
	fault("fault-php", "PHP", "php8.2-cli"),
	fault("fault-node", "Node.js", "nodejs"),
	fault("fault-java", "the Java runtime, with keytool and rmiregistry", "openjdk-17-jre-headless"),
	fault("fault-apache", "Apache httpd", "apache2"),
	fault("fault-mariadb", "MariaDB's server, and no database", "mariadb-server-core"),
	fault("fault-tools", "sudo, gosu, s6 and ping", "sudo", "gosu", "s6", "iputils-ping"),
	{
		Name:    "fault-go",
		About:   "does in Go what its arguments say",
		program: faultSource,
		Config:  archive.Config{Entrypoint: []string{"/usr/local/bin/fault-go"}},
	},
}

// fault is an image with Debian's packages, an application's empty directory, and one that is not empty.
func fault(name, about string, packages ...string) Image {
	return Image{
		Name:     name,
		About:    about,
		Packages: packages,
		Without:  faultsWithout,
		Config:   archive.Config{Cmd: []string{"sh"}, Env: []string{defaultPath}, WorkingDir: "/opt/app"},
		users:    []string{"app:x:1700:1700:app:/home/app:/bin/sh"},
		owned:    []owned{{"opt/app", 0o755, 0, 0}, {"home/app", 0o755, 1700, 1700}},
		files: map[string]string{
			"opt/lib/main.py": "import time\ntime.sleep(3600)\n",
			"opt/lib/main.js": "setTimeout(() => {}, 3600000)\n",
			"opt/lib/run":     "#!/bin/sh\nexec sleep 3600\n",
		},
	}
}

// faultsWithout are packages that none of these programs needs to run.
var faultsWithout = []string{
	"ca-certificates-java", "debconf", "galera-4", "java-common", "libcups2", "libfontconfig1", "libfreetype6",
	"libharfbuzz0b", "liblcms2-2", "mailcap", "media-types", "perl", "perl-openssl-defaults", "python3-pkg-resources-doc",
	"rake", "ruby-rubygems", "rubygems-integration", "ucf",
}
