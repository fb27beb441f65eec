// Command cluster makes a Kubernetes cluster to test on, and leaves nothing of it behind.
//
// Where a container engine answers, that is a kind cluster. Elsewhere, on Linux as root, it is a
// real node made of the same programs: etcd, the control plane, a kubelet, containerd and runc, in
// namespaces of its own.
//
// This package reads the command line, decides between kind and node, and prints; packages below
// it do the rest, and each has a page. Input is arguments and the variables CLUSTER_NAME, CLUSTER_ON,
// CLUSTER_KUBERNETES, CLUSTER_ROOT and CLUSTER_DIR, the last two of which the script beside it sets.
// What is asked for goes to standard output, what happens on the way and errors to standard error.
// Exit code 2 is a wrong option, 1 any other error; status and exec have exit codes of their own. See
// README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"ironhull.dev/e2e/cluster/kind"
	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/version"
)

const usage = `usage: cluster COMMAND [OPTIONS]

  start      build what is missing, start, and wait until the cluster is ready
             --control-plane-only  no kubelet and no containerd: pods stay pending
             --no-audit            no audit log
             --kubernetes VERSION  an older one, such as 1.33 (default: $CLUSTER_KUBERNETES, or the current one)
  stop       remove everything
  status     what runs, and its memory; exit code 0: ready, 1: not running, 2: not ready
  env        shell assignments: KUBECONFIG and the paths that tests need
  exec       -- CMD…: run a command where the cluster is, with KUBECONFIG and PATH set
  logs       [PROGRAM…]: the last lines of every program's log (--lines N)
  restart    PROGRAM: SIGKILL, and wait until it is there again (--down D: stays away so long)
  image      what images there are to make and to load: see "cluster image help"
  build      only build the programs (--kubernetes as above; --control-plane-only: without containerd and runc)

Options of every command:
  --name NAME   which cluster (default: $CLUSTER_NAME, or ironhull)
  --on WHERE    kind, node, or auto (default: $CLUSTER_ON, or auto: kind where an engine answers)
`

func main() {
	log.SetFlags(0) // what is said on the way goes to standard error as it is
	if err := run(os.Args[1:]); err != nil {
		var exit exitCode
		if errors.As(err, &exit) {
			os.Exit(int(exit))
		}
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// exitCode ends the program with this code, when everything has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exit makes an error of an exit code that is not 0.
func exit(code int, err error) error {
	if err == nil && code != 0 {
		return exitCode(code)
	}
	return err
}

func run(args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage)
		return nil
	}
	command, args := args[0], args[1:]
	if command == superviseCommand {
		return supervise(args)
	}

	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("name", environment("CLUSTER_NAME", "ironhull"), "")
	on := flags.String("on", environment("CLUSTER_ON", "auto"), "")
	var options layout.Options
	kubernetes := ""
	lines := 40
	down := flags.Duration("down", 0, "")
	if command == "start" || command == "build" {
		flags.BoolVar(&options.ControlPlaneOnly, "control-plane-only", false, "")
		flags.BoolVar(&options.NoAudit, "no-audit", false, "")
		flags.StringVar(&kubernetes, "kubernetes", os.Getenv("CLUSTER_KUBERNETES"), "")
	}
	if command == "logs" {
		flags.IntVar(&lines, "lines", lines, "")
	}
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	args = flags.Args()

	l, err := layout.New(*name)
	if err != nil {
		return err
	}
	if command == "start" || command == "build" {
		options.Kubernetes, err = version.Find(l.Modules(), kubernetes)
		if err != nil {
			return err
		}
		l = l.WithKubernetes(options.Kubernetes)
	}
	if command == "build" {
		return l.Builder().Node(options.ControlPlaneOnly)
	}
	if command == "image" && (len(args) == 0 || args[0] != "load") {
		return image(l.Store(), nil, args)
	}
	cluster, err := find(l, *on)
	if err != nil {
		return err
	}
	switch command {
	case "start":
		return cluster.Start(options)
	case "stop":
		return cluster.Stop()
	case "status":
		return exit(cluster.Status())
	case "env":
		return printEnvironment(cluster)
	case "exec":
		if len(args) == 0 {
			return errors.New("exec needs a command: cluster exec -- CMD…")
		}
		return exit(cluster.Exec(args))
	case "logs":
		return cluster.Logs(args, lines)
	case "restart":
		if len(args) != 1 {
			return errors.New("restart needs the name of one program, such as kube-apiserver")
		}
		return cluster.Restart(args[0], *down)
	case "image":
		return image(l.Store(), cluster, args)
	default:
		return fmt.Errorf("no such command: `%s`\n\n%s", command, usage)
	}
}

// cluster is one cluster, running or not, wherever it runs.
type cluster interface {
	Start(layout.Options) error
	Stop() error
	Status() (exitCode int, err error)
	Exec(command []string) (exitCode int, err error)
	Logs(programs []string, lines int) error
	Restart(program string, down time.Duration) error
	Load(archive string) error
	Environment() ([]string, error)
}

// find decides where: a cluster that exists stays what it is.
func find(l layout.Layout, on string) (cluster, error) {
	if options, err := l.ReadOptions(); err == nil && on == "auto" {
		on = options.On
	}
	engine := ""
	if on == "auto" || on == "kind" {
		engine = kind.Engine()
		if on == "kind" && engine == "" {
			return nil, errors.New("kind needs a container engine, and neither docker nor podman nor nerdctl answers to `info`")
		}
	}
	if engine != "" {
		return kind.New(l, engine), nil
	}
	return newNode(l)
}

// printEnvironment is for `eval "$(cluster env)"`.
func printEnvironment(cluster cluster) error {
	variables, err := cluster.Environment()
	if err != nil {
		return err
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Printf("export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return nil
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
