package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed config audit-policy.yaml
var configuration embed.FS

// nodeCluster is a cluster without a container engine, seen from outside. All
// its processes, mounts and network interfaces live in namespaces that end with
// one process, the supervisor: to kill that is to remove everything but files
// and cgroups.
type nodeCluster struct{ place }

func newNode(p place) (cluster, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("without a container engine (docker, podman or nerdctl that answers to `info`) one must be root")
	}
	return nodeCluster{p}, nil
}

func (c nodeCluster) start(options startOptions) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	options.On = "node"
	if err := c.checkHost(options.ControlPlaneOnly); err != nil {
		return err
	}
	if err := c.buildNode(options.ControlPlaneOnly); err != nil {
		return err
	}
	if old, err := c.readOptions(); err == nil && c.supervisor() != 0 && old == options && c.ready() == nil {
		say("%s is already running", c.name)
		return nil
	}
	if err := c.remove(); err != nil {
		return err
	}

	began := time.Now()
	if err := c.prepare(options); err != nil {
		return err
	}
	if err := c.makeCgroups(); err != nil {
		return err
	}
	if err := c.spawnSupervisor(); err != nil {
		return err
	}
	if err := c.await(startPatience); err != nil {
		say("%s did not become ready; the ends of its logs:", c.name)
		_ = c.logs(nil, 10)
		return errors.Join(err, c.remove())
	}
	if !options.ControlPlaneOnly {
		if err := c.loadBaseImages(); err != nil {
			return errors.Join(err, c.remove())
		}
	}
	say("%s is ready after %.1f s; KUBECONFIG is %s, to be used by `cluster exec -- CMD…`",
		c.name, time.Since(began).Seconds(), c.kubeconfig())
	return nil
}

func (c nodeCluster) stop() error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return c.remove()
}

// checkHost says at once, and all together, what a fresh machine lacks.
func (c nodeCluster) checkHost(controlPlaneOnly bool) error {
	var missing []string
	need := func(what string, found bool) {
		if !found {
			missing = append(missing, what)
		}
	}
	installed := func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
	need("iproute2", installed("ip"))
	if !controlPlaneOnly {
		need("a C compiler", installed("cc") || installed("gcc"))
		need("pkg-config", installed("pkg-config"))
		need("libseccomp-dev", exec.Command("pkg-config", "--exists", "libseccomp").Run() == nil)
		need("busybox-static", exists(busyboxPath()))
		need("containernetworking-plugins", exists("/usr/lib/cni/bridge") || exists("/opt/cni/bin/bridge"))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the node needs %s; on Debian e2e/setup installs them", strings.Join(missing, ", "))
	}
	return nil
}

// prepare fills a fresh state directory.
func (c nodeCluster) prepare(options startOptions) error {
	for _, directory := range []string{
		"audit", "config/cni", "containerd", "etcd", "kubelet", "logs", "pod-logs", "sysctl", "volumes",
	} {
		if err := os.MkdirAll(filepath.Join(c.state, directory), 0o755); err != nil {
			return err
		}
	}
	// etcd insists.
	if err := os.Chmod(filepath.Join(c.state, "etcd"), 0o700); err != nil {
		return err
	}
	if err := c.writeOptions(options); err != nil {
		return err
	}
	if err := writePKI(c.state, c.nodeName()); err != nil {
		return err
	}
	values := map[string]any{
		"CgroupName":          c.cgroupName(),
		"RestrictOOMScoreAdj": !haveCapability(capSysResource),
		"Snapshotter":         snapshotter(c.state),
	}
	for file, target := range map[string]string{
		"config/cni.conflist":    "config/cni/10-pods.conflist",
		"config/containerd.toml": "config/containerd.toml",
		"config/kubelet.yaml":    "config/kubelet.yaml",
		"config/resolv.conf":     "config/resolv.conf",
		"audit-policy.yaml":      "config/audit-policy.yaml",
	} {
		parsed, err := template.ParseFS(configuration, file)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.state, target), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// spawnSupervisor starts this same program as the first process of namespaces of its own.
func (c nodeCluster) spawnSupervisor() error {
	log, err := os.OpenFile(filepath.Join(c.state, "logs", "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, superviseCommand, c.name, c.state, c.bin)
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
		Setsid:     true,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the supervisor in new namespaces, which in a container takes --privileged: %w", err)
	}
	pid := []byte(strconv.Itoa(command.Process.Pid))
	if err := os.WriteFile(c.pidFile(), pid, 0o644); err != nil {
		_ = command.Process.Kill()
		return err
	}
	// Whoever reaps it: it may well outlive this process.
	go func() { _ = command.Wait() }()
	return nil
}

func (c nodeCluster) pidFile() string { return filepath.Join(c.state, "pid") }

// supervisor is the recorded process's id if it still is the supervisor of this
// state directory, and 0 if not: ids are used again.
func (c nodeCluster) supervisor() int {
	content, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || !c.isSupervisor(pid) {
		return 0
	}
	return pid
}

func (c nodeCluster) isSupervisor(pid int) bool {
	argv := commandLine(pid)
	return len(argv) == 5 && argv[1] == superviseCommand && argv[3] == c.state
}

// await returns when pods can be made and run.
func (c nodeCluster) await(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := c.ready()
		if err == nil {
			return nil
		}
		if c.supervisor() == 0 {
			return errors.New("the supervisor has ended")
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", patience, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (c nodeCluster) ready() error {
	options, err := c.readOptions()
	if err != nil {
		return err
	}
	if _, err := c.kubectl("get", "--raw", "/readyz"); err != nil {
		return err
	}
	// Pods are refused before the controller manager has made this.
	if _, err := c.kubectl("--namespace", "default", "get", "serviceaccount", "default"); err != nil {
		return err
	}
	if options.ControlPlaneOnly {
		return nil
	}
	const conditions = `{.status.conditions[?(@.type=="Ready")].status}{.spec.taints}`
	out, err := c.kubectl("get", "node", c.nodeName(), "-o", "jsonpath="+conditions)
	if err == nil && out != "True" {
		err = fmt.Errorf("the node is not ready: %s", out)
	}
	return err
}

func (c nodeCluster) kubectl(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	args = append([]string{"exec", "--name", c.name, "--on", "node", "--", "kubectl", "--request-timeout=5s"}, args...)
	var stderr bytes.Buffer
	command := exec.Command(self, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// exec becomes the command, in the cluster's network namespace. All else, the
// file system above all, stays what it was.
func (c nodeCluster) exec(command []string) error {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return fmt.Errorf("%s is not running", c.name)
	}
	environment, err := c.execEnvironment()
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", pathOf(environment)); err != nil {
		return err
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	// A namespace belongs to a thread, and execve keeps the thread that calls it.
	runtime.LockOSThread()
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", supervisor))
	if err != nil {
		return err
	}
	if _, _, errno := syscall.RawSyscall(sysSetns, namespace.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
		return fmt.Errorf("entering the network namespace of %s: %w", c.name, errno)
	}
	namespace.Close()
	return syscall.Exec(program, command, environment)
}

func (c nodeCluster) execEnvironment() ([]string, error) {
	own, err := c.environment()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		// No proxy is reachable from inside, and not all clients spare 127.0.0.1.
		proxy := strings.HasSuffix(strings.ToLower(name), "_proxy")
		replaced := slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if !proxy && !replaced {
			all = append(all, variable)
		}
	}
	return append(all, own...), nil
}

func (c nodeCluster) environment() ([]string, error) {
	if c.supervisor() == 0 {
		return nil, fmt.Errorf("%s is not running", c.name)
	}
	return []string{
		"KUBECONFIG=" + c.kubeconfig(),
		"PATH=" + c.bin + ":" + os.Getenv("PATH"),
		"CLUSTER_NAME=" + c.name,
		"CLUSTER_ON=node",
		"CLUSTER_NODE=" + c.nodeName(),
		"CLUSTER_AUDIT_LOG=" + filepath.Join(c.state, "audit", "audit.log"),
		"CLUSTER_VOLUMES=" + volumesOnNode,
		"CLUSTER_VOLUMES_HERE=" + filepath.Join(c.state, "volumes"),
	}, nil
}

func pathOf(environment []string) string {
	for _, variable := range environment {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			return path
		}
	}
	return ""
}

// process is one of the cluster's processes, seen from outside.
type process struct {
	pid    int
	name   string
	memory int // KiB
}

// processes lists all that is in the cluster's process namespace.
func (c nodeCluster) processes() []process {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return nil
	}
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", supervisor))
	if err != nil {
		return nil
	}
	var found []process
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || its != namespace {
			continue
		}
		if argv := commandLine(pid); len(argv) > 0 {
			found = append(found, process{pid, filepath.Base(argv[0]), proportionalMemory(pid)})
		}
	}
	return found
}

// find is the process id of one of the supervised programs, or 0.
func (c nodeCluster) find(program string) int {
	for _, process := range c.processes() {
		if process.name == program && parentOf(process.pid) == c.supervisor() {
			return process.pid
		}
	}
	return 0
}

func (c nodeCluster) status() error {
	options, err := c.readOptions()
	if err != nil || c.supervisor() == 0 {
		fmt.Printf("%s is not running\n", c.name)
		return exitCode(1)
	}
	total := 0
	for _, process := range c.processes() {
		total += process.memory
		if slices.Contains(programNames(options), process.name) {
			fmt.Printf("%-24s pid %-8d %5d MiB\n", process.name, process.pid, process.memory/1024)
		}
	}
	fmt.Printf("%-24s %18d MiB\n", "all, with shims and pods", total/1024)
	if err := c.ready(); err != nil {
		fmt.Printf("%s is not ready: %v\n", c.name, err)
		return exitCode(2)
	}
	fmt.Printf("%s is ready\n", c.name)
	return nil
}

func (c nodeCluster) logs(programs []string, lines int) error {
	files, err := filepath.Glob(filepath.Join(c.state, "logs", "*.log"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no logs", c.name)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		if len(programs) > 0 && !slices.Contains(programs, name) {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all := strings.SplitAfter(string(content), "\n")
		fmt.Printf("==> %s (%s)\n%s\n", name, file, strings.Join(all[max(0, len(all)-1-lines):], ""))
	}
	return nil
}

// restart kills a program as a crash would. The supervisor starts it again.
func (c nodeCluster) restart(program string, down time.Duration) error {
	pid := c.find(program)
	if pid == 0 {
		return fmt.Errorf("`%s` is not running here", program)
	}
	hold := filepath.Join(c.state, "hold-"+program)
	if down > 0 {
		if err := os.WriteFile(hold, nil, 0o644); err != nil {
			return err
		}
		defer os.Remove(hold)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(down)
	_ = os.Remove(hold)
	deadline := time.Now().Add(restartPatience)
	for time.Now().Before(deadline) {
		if now := c.find(program); now != 0 && now != pid && c.ready() == nil {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("%s is not back after %s", program, restartPatience)
}

// load gives containerd an image archive (OCI or Docker's).
func (c nodeCluster) load(archive string) error {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return fmt.Errorf("%s is not running", c.name)
	}
	socket := fmt.Sprintf("/proc/%d/root%s", supervisor, containerdSocket)
	command := exec.Command(filepath.Join(c.bin, "ctr"), "--address", socket, "--namespace", "k8s.io",
		"images", "import", "--all-platforms=false", archive)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("loading %s: %w: %s", archive, err, out)
	}
	return nil
}

// lock keeps two commands from starting and stopping one cluster at once. Unlocking
// removes the file: a lock on a file that is no longer there is no lock.
func (c nodeCluster) lock() (unlock func(), err error) {
	name := c.state + ".lock"
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		locked, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(locked, now) {
			return func() {
				_ = os.Remove(name)
				file.Close()
			}, nil
		}
		file.Close()
	}
}

// remove ends whatever there is of the cluster, in whatever condition.
func (c nodeCluster) remove() error {
	if pid := c.supervisor(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("killing the supervisor, process %d: %w", pid, err)
		}
		// It ends as the last of its namespace, and with it mounts and interfaces.
		for deadline := time.Now().Add(30 * time.Second); c.isSupervisor(pid); {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := c.removeCgroups(); err != nil {
		return err
	}
	return removeAll(c.state)
}

func (c nodeCluster) cgroupName() string { return "ironhull-cluster-" + c.name }

// cgroups are this cluster's directories, one in each hierarchy (version 1 has
// several, version 2 one).
func (c nodeCluster) cgroups() []string {
	const root = "/sys/fs/cgroup"
	if exists(filepath.Join(root, "cgroup.controllers")) {
		return []string{filepath.Join(root, c.cgroupName())}
	}
	var all []string
	entries, _ := os.ReadDir(root)
	for _, entry := range entries {
		if entry.IsDir() { // and not a link to one
			all = append(all, filepath.Join(root, entry.Name(), c.cgroupName()))
		}
	}
	return all
}

// makeCgroups: the kubelet wants its root to be there.
func (c nodeCluster) makeCgroups() error {
	for _, directory := range c.cgroups() {
		if err := os.Mkdir(directory, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// removeCgroups removes them with what runc and the kubelet left in them.
func (c nodeCluster) removeCgroups() error {
	for _, top := range c.cgroups() {
		if err := removeCgroup(top); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(top string) error {
	var directories []string
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			directories = append(directories, path)
		}
		return nil
	})
	slices.Reverse(directories) // children first
	for _, directory := range directories {
		// The kernel may take a moment to let go of the last process.
		deadline := time.Now().Add(10 * time.Second)
		for {
			err := syscall.Rmdir(directory)
			if err == nil || errors.Is(err, syscall.ENOENT) {
				break
			}
			if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("removing the cgroup %s: %w", directory, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// removeAll is os.RemoveAll that is told when mounts are in the way: nothing
// here mounts outside the supervisor's namespace, and deleting through
// somebody's mount would delete what is mounted.
func removeAll(directory string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], directory+"/") {
			return fmt.Errorf("%s is mounted inside the state directory: unmount it first", fields[4])
		}
	}
	return os.RemoveAll(directory)
}

// loadBaseImages gives the node what every pod needs, and what is smallest to test with.
func (c nodeCluster) loadBaseImages() error {
	for _, name := range []string{"pause", "busybox"} {
		archive, err := c.make(name)
		if err != nil {
			return err
		}
		if err := c.load(archive); err != nil {
			return err
		}
	}
	return nil
}
