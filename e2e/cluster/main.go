// Command cluster makes a Kubernetes cluster to test on, and leaves nothing of it behind.
//
// Where a container engine answers, that is a kind cluster. Elsewhere, on Linux as root, it is a
// real node made of the same programs: etcd, the control plane, a kubelet, containerd and runc, in
// namespaces of its own. See README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `usage: cluster COMMAND [OPTIONS]

  start      build what is missing, start, and wait until the cluster is ready
             --control-plane-only  no kubelet and no containerd: pods stay pending
             --no-audit            no audit log
             --kubernetes VERSION  an older one, such as 1.32 (default: $CLUSTER_KUBERNETES, or the current one)
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
	var options startOptions
	version := ""
	lines := 40
	down := flags.Duration("down", 0, "")
	if command == "start" || command == "build" {
		flags.BoolVar(&options.ControlPlaneOnly, "control-plane-only", false, "")
		flags.BoolVar(&options.NoAudit, "no-audit", false, "")
		flags.StringVar(&version, "kubernetes", os.Getenv("CLUSTER_KUBERNETES"), "")
	}
	if command == "logs" {
		flags.IntVar(&lines, "lines", lines, "")
	}
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	args = flags.Args()

	place, err := newPlace(*name)
	if err != nil {
		return err
	}
	if command == "start" || command == "build" {
		options.Kubernetes, err = kubernetesNamed(place.root, version)
		if err != nil {
			return err
		}
		place = place.of(options.Kubernetes)
	}
	if command == "build" {
		return place.buildNode(options.ControlPlaneOnly)
	}
	if command == "image" && (len(args) == 0 || args[0] != "load") {
		return image(place, nil, args)
	}
	cluster, err := place.cluster(*on)
	if err != nil {
		return err
	}
	switch command {
	case "start":
		return cluster.start(options)
	case "stop":
		return cluster.stop()
	case "status":
		return cluster.status()
	case "env":
		return printEnvironment(cluster)
	case "exec":
		if len(args) == 0 {
			return errors.New("exec needs a command: cluster exec -- CMD…")
		}
		return cluster.exec(args)
	case "logs":
		return cluster.logs(args, lines)
	case "restart":
		if len(args) != 1 {
			return errors.New("restart needs the name of one program, such as kube-apiserver")
		}
		return cluster.restart(args[0], *down)
	case "image":
		return image(place, cluster, args)
	default:
		return fmt.Errorf("no such command: `%s`\n\n%s", command, usage)
	}
}

// printEnvironment is for `eval "$(cluster env)"`.
func printEnvironment(cluster cluster) error {
	variables, err := cluster.environment()
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
