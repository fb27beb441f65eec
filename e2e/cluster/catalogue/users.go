package catalogue

import (
	"archive/tar"
	"cmp"
	"strings"

	"ironhull.dev/e2e/cluster/archive"
)

// users are images that differ in who they run as. In a container of each, `id` says
// who that is, or the container cannot start; the suite compares what ironhull reads
// in their archives with that. All have the lowest layer of busybox. The odd ones are
// what somebody's build may leave behind, or what somebody tries on purpose.
var users = []Image{
	// What USER says. /etc/passwd and /etc/group are the same in all of these but one.
	user("user-empty", "no USER, and a root with a group of its own", "",
		database("root:x:0:7:root:/root:/bin/sh", "web:x:33:root")),
	user("user-zero", "USER 0", "0", app),
	user("user-root-name", "USER root", "root", app),
	user("user-root-group", "USER root:33", "root:33", app),
	user("user-no-part", "USER :", ":", app),
	user("user-group-alone", "USER :33", ":33", app),
	user("user-group-name-alone", "USER :web", ":web", app),
	user("user-uid", "USER of a uid with an entry", "1500", app),
	user("user-uid-gid", "USER uid:gid", "1500:33", app),
	user("user-uid-group", "USER uid:group", "1500:web", app),
	user("user-uid-no-entry", "USER of a uid without an entry, which a group lists", "2000", app),
	user("user-uid-gid-no-entry", "USER uid:gid without entries", "2000:3000", app),
	user("user-app", "USER of a name with supplementary groups", "app", app),
	user("user-app-colon", "USER of a name, and a colon", "app:", app),
	user("user-app-group", "USER name:group", "app:web", app),
	user("user-app-no-group", "USER name:group, and no such group", "app:nosuch", app),
	user("user-three-parts", "USER a:b:c", "app:web:log", app),
	user("user-no-name", "USER of a name without an entry", "nosuch", app),
	user("user-no-name-group", "USER name:gid, and no such name", "nosuch:33", app),
	user("user-case", "USER of the name in upper case", "APP", app),
	user("user-blank", "USER with a blank before the name", " app", app),
	user("user-digits", "USER of digits, which are the name of another uid", "4242", app),
	user("user-digits-uid", "USER of the uid whose name is digits", "1700", app),
	user("user-zeros", "USER of a uid with zeros before it", "001500", app),
	user("user-plus", "USER of a uid with a plus", "+1500", app),
	user("user-minus", "USER of a negative uid", "-1", app),
	user("user-hexadecimal", "USER of a uid in hexadecimal", "0x5dc", app),
	user("user-largest", "USER of the largest uid that the kubelet takes", "2147483647", app),
	user("user-too-large", "USER of a uid above that", "2147483648", app),
	user("user-huge", "USER of a uid beyond 64 bits", "99999999999999999999", app),

	// What lines of /etc/passwd say.
	user("user-two-entries", "two entries of one name", "app", passwd("app:x:1500:1600::/:", "app:x:1:1::/:")),
	user("user-two-names", "two names of one uid, and groups that list the second", "1500",
		database("first:x:1500:1600::/:\napp:x:1500:1::/:", "web:x:33:app\nlog:x:44:first")),
	user("user-comment", "a comment, which is an entry of uid 0", "0", passwd("# users", "root:x:0:7:root:/root:/bin/sh")),
	user("user-commented-out", "an entry behind a number sign", "app", passwd("#app:x:1500:1600::/:")),
	user("user-no-gid", "an entry without a gid", "app", passwd("app:x:1500")),
	user("user-name-only", "an entry that is a name", "app", passwd("app")),
	user("user-blanks-around", "blanks around an entry", "app", passwd("\t app:x:1500:1600 ")),
	user("user-blanks-within", "blanks around a uid", "app", passwd("app:x: 1500 :1600::/:")),
	user("user-blank-name", "a blank behind the name", "app", passwd("app :x:1500:1600::/:")),
	user("user-carriage-returns", "lines that end as on Windows", "app", passwd("root:x:0:0::/:\r", "app:x:1500:1600\r")),
	user("user-no-newline", "a last line without an end", "app", []entry{file("etc/passwd", "app:x:1500:1600::/:")}),
	user("user-words", "a uid and a gid that are no numbers", "app", passwd("app:x:one:two::/:")),
	user("user-negative-entry", "an entry with a negative uid", "app", passwd("app:x:-1:1600::/:")),
	user("user-negative-gid", "an entry with a negative gid", "app", passwd("app:x:1500:-1::/:")),
	user("user-large-entry", "an entry with ids above what the kubelet takes", "app", passwd("app:x:3000000000:3000000001::/:")),
	user("user-wide-entry", "an entry with ids of more than 32 bits", "app", passwd("app:x:4294968796:4294968896::/:")),
	user("user-huge-entry", "an entry with a uid beyond 64 bits", "app", passwd("app:x:99999999999999999999:1600::/:")),
	user("user-huge-negative-entry", "an entry with a negative uid beyond 64 bits", "app",
		passwd("app:x:-99999999999999999999:1600::/:")),
	user("user-long-line", "a line that is longer than the runtime reads", "app",
		passwd("app:x:1500:1600::/:", strings.Repeat("#", 64<<10))),
	user("user-empty-passwd", "an empty /etc/passwd, USER of a name", "app", []entry{file("etc/passwd", "")}),
	user("user-empty-passwd-uid", "an empty /etc/passwd, USER of a uid", "1500", []entry{file("etc/passwd", "")}),

	// What lines of /etc/group say.
	user("user-groups", "groups that list the user in many ways", "app",
		database("app:x:1500:1600::/:", "web:x:33:app", "#log:x:44:app", "db:x:55:www,app,nobody", "db:x:56:app",
			"app:x:66:app", "uid:x:77:1500", "blank:x:88:www, app", "short:x", "word:x:nine:app", "own:x:1600:app")),
	user("user-wide-group", "a group with a gid of more than 32 bits", "app", database("app:x:1500:1600::/:", "web:x:4294967329:app")),
	user("user-large-group", "a group with a gid above what the kubelet takes", "app",
		database("app:x:1500:1600::/:", "web:x:3000000000:app")),
	user("user-negative-group", "a group with a negative gid", "app", database("app:x:1500:1600::/:", "web:x:-1:app")),
	user("user-no-group-file", "no /etc/group", "app", app, []entry{removed("etc/group")}),
	user("user-group-directory", "a directory in place of /etc/group", "app", app, []entry{directory("etc/group")}),
	user("user-group-link", "/etc/group is a link to another layer's file", "app",
		data, []entry{symlink("etc/passwd", "../data/users"), symlink("etc/group", "/data/groups")}),

	// Files that upper layers replace, remove and link.
	user("user-replaced", "/etc/passwd replaced", "app", app, passwd("app:x:2:3::/:")),
	user("user-removed", "/etc/passwd removed, USER of a name", "app", app, []entry{removed("etc/passwd")}),
	user("user-removed-uid", "/etc/passwd removed, USER of a uid", "1500", app, []entry{removed("etc/passwd")}),
	user("user-removed-remade", "/etc/passwd removed and made again", "app",
		app, []entry{removed("etc/passwd")}, passwd("app:x:2:3::/:")),
	user("user-removed-device", "/etc/passwd removed by overlayfs's own device", "1500", app, []entry{device("etc/passwd", 0, 0)}),
	user("user-null-device", "/dev/null in place of /etc/passwd", "1500", []entry{device("etc/passwd", 1, 3)}),
	user("user-directory", "a directory in place of /etc/passwd", "1500", app, []entry{directory("etc/passwd")}),
	user("user-hard-link", "/etc/passwd is a hard link", "app", linked),
	user("user-hard-link-replaced", "a hard link, and its other name replaced", "app",
		linked, []entry{file("data/users", "app:x:2:3::/:\n")}),
	user("user-hard-link-removed", "a hard link, and its other name removed", "app", linked, []entry{removed("data")}),
	user("user-hard-link-to-link", "a hard link to a symbolic link", "app",
		data, []entry{symlink("etc/users", "../data/users"), hardLink("etc/passwd", "etc/users")}),
	user("user-link", "/etc/passwd is a link to another layer's file", "app", data, []entry{symlink("etc/passwd", "../data/users")}),
	user("user-link-absolute", "an absolute link", "app", data, []entry{symlink("etc/passwd", "/data/users")}),
	user("user-link-to-link", "a link to a link", "app",
		data, []entry{symlink("etc/passwd", "users"), symlink("etc/users", "/data/./users")}),
	user("user-link-through-link", "a link through a linked directory", "app",
		data, []entry{symlink("etc/passwd", "../current/users"), symlink("current", "/data")}),
	user("user-link-above-root", "a link that leads above the root", "app", data, []entry{symlink("etc/passwd", "../../../data/users")}),
	user("user-link-replaced", "a link to a file that is replaced", "app",
		data, []entry{symlink("etc/passwd", "../data/users")}, []entry{file("data/users", "app:x:2:3::/:\n")}),
	user("user-link-nowhere", "a link to what was removed, USER of a name", "app",
		data, []entry{symlink("etc/passwd", "../data/users"), removed("data/users")}),
	user("user-link-nowhere-uid", "a link to what was removed, USER of a uid", "1500",
		data, []entry{symlink("etc/passwd", "../data/users"), removed("data/users")}),
	user("user-link-circle", "a link to itself", "1500", app, []entry{symlink("etc/passwd", "passwd")}),
	user("user-link-directory", "a link to a directory", "1500", data, []entry{symlink("etc/passwd", "/data")}),
	user("user-link-root", "a link to the root", "1500", app, []entry{symlink("etc/passwd", "/")}),
	user("user-link-below-file", "a link to below a file", "1500", data, []entry{symlink("etc/passwd", "/data/users/passwd")}),
	user("user-link-back", "a link through a linked directory and back, to one file or another", "app", data,
		[]entry{symlink("etc/passwd", "../a/b/../users"), symlink("a/b", "../data/below"), file("data/below/x", ""), file("a/users", "app:x:2:3::/:\n")}),
	user("user-link-back-only", "a link through a linked directory and back, to one file only", "app", data,
		[]entry{symlink("etc/passwd", "../a/b/../users"), symlink("a/b", "../data/below"), file("data/below/x", "")}),

	// Directories above /etc/passwd.
	user("user-opaque", "/etc opaque, with an /etc/passwd", "app", app, append([]entry{opaque("etc")}, passwd("app:x:2:3::/:")...)),
	user("user-opaque-empty", "/etc opaque, without an /etc/passwd", "1500", app, []entry{opaque("etc")}),
	user("user-opaque-late", "/etc opaque, which its layer says last", "app", app, append(passwd("app:x:2:3::/:"), opaque("etc"))),
	user("user-opaque-root", "the root opaque, which no runtime heeds", "app", app, []entry{opaque(".")}),
	user("user-etc-removed", "/etc removed", "1500", app, []entry{removed("etc")}),
	user("user-etc-remade", "/etc removed, and made again by the next layer", "1500",
		app, []entry{removed("etc")}, []entry{directory("etc")}),
	user("user-etc-remade-at-once", "/etc removed, and made again by the same layer", "1500",
		app, []entry{removed("etc"), directory("etc")}),
	user("user-etc-link", "/etc is a link", "app", data, []entry{symlink("etc", "conf"), file("conf/passwd", "app:x:2:3::/:\n")}),
	user("user-etc-own-link", "/etc is a link, and its layer writes through it", "app",
		data, []entry{symlink("etc", "conf"), file("etc/passwd", "app:x:2:3::/:\n")}),
	user("user-etc-was-link", "/etc was a link, and is a directory", "1500",
		data, []entry{symlink("etc", "conf"), file("conf/passwd", "app:x:1500:3::/:\n")}, []entry{directory("etc")}),
	user("user-etc-file", "/etc is a file", "1500", app, []entry{file("etc", "")}),
}

// app is a layer with a user in some groups.
var app = database("root:x:0:0:root:/root:/bin/sh\napp:x:1500:1600:app:/:/bin/sh\n4242:x:1700:1800::/:",
	"root:x:0:", "web:x:33:www,app", "app:x:1600:", "log:x:44:app,4242", "two:x:55:2000")

// data is a layer with users and groups elsewhere, for links to lead to.
var data = []entry{
	file("data/users", "app:x:1500:1600::/:\n"),
	file("data/groups", "web:x:33:app\n"),
}

// linked is a layer with one file of users that has two names.
var linked = append(data[:1:1], hardLink("etc/passwd", "data/users"))

// user is an image that sleeps as this USER.
func user(name, about, user string, layers ...[]entry) Image {
	return Image{Name: name, About: about, Config: archive.Config{User: user, Cmd: []string{"sleep", "infinity"}}, layers: layers}
}

// database is a layer with these lines of users, and these of groups.
func database(users string, groups ...string) []entry {
	return []entry{file("etc/passwd", users+"\n"), file("etc/group", string(lines(groups)))}
}

// passwd is a layer with these lines of users.
func passwd(users ...string) []entry {
	return []entry{file("etc/passwd", string(lines(users)))}
}

// entry is an entry of a layer: plain data, for an image's archive to be made anew when
// it changes.
type entry struct {
	kind         byte // of the package tar, or one of those below
	path         string
	text         string // of a file; the target of a link
	mode         int64  // by default 0644 of a file, 0755 of a directory
	major, minor int64  // of a device
}

const (
	typeRemoved = 'r'
	typeOpaque  = 'o'
)

func file(path, text string) entry { return entry{kind: tar.TypeReg, path: path, text: text} }
func symlink(path, target string) entry {
	return entry{kind: tar.TypeSymlink, path: path, text: target}
}
func hardLink(path, target string) entry { return entry{kind: tar.TypeLink, path: path, text: target} }
func directory(path string) entry        { return entry{kind: tar.TypeDir, path: path} }
func removed(path string) entry          { return entry{kind: typeRemoved, path: path} }
func opaque(path string) entry           { return entry{kind: typeOpaque, path: path} }

func device(path string, major, minor int64) entry {
	return entry{kind: tar.TypeChar, path: path, major: major, minor: minor}
}

func (e entry) add(l *archive.Layer) {
	switch e.kind {
	case tar.TypeReg:
		l.File(e.path, cmp.Or(e.mode, 0o644), []byte(e.text))
	case tar.TypeSymlink:
		l.Symlink(e.text, e.path)
	case tar.TypeLink:
		l.Link(e.text, e.path)
	case tar.TypeChar:
		l.Device(e.path, e.major, e.minor)
	case tar.TypeDir:
		l.Directory(e.path, cmp.Or(e.mode, 0o755), 0, 0)
	case typeRemoved:
		l.Remove(e.path)
	case typeOpaque:
		l.Opaque(e.path)
	}
}
