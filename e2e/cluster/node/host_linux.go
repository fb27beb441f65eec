package node

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"ironhull.dev/e2e/cluster/catalogue"
)

// checkHost says at once, and all together, what a fresh machine lacks.
func checkHost(controlPlaneOnly bool) error {
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
		need("busybox-static", exists(catalogue.Busybox()))
		need("containernetworking-plugins", exists("/usr/lib/cni/bridge") || exists("/opt/cni/bin/bridge"))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the node needs %s; on Debian e2e/setup installs them", strings.Join(missing, ", "))
	}
	return nil
}

// spaceNeeded is for etcd, the images laid out, and logs: in bytes.
const spaceNeeded = 1 << 30

// checkSpace says at once what would come as pods that stay pending.
func checkSpace(directory string) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(directory, &disk); err != nil {
		return &os.PathError{Op: "statfs", Path: directory, Err: err}
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < spaceNeeded {
		return fmt.Errorf("the node needs %d MiB of disk in %s, and %d MiB are free: "+
			"`cargo clean` and `go clean -cache` give most", spaceNeeded>>20, directory, free>>20)
	}
	return nil
}

// overlayMagic is overlayfs's number for statfs: an overlay cannot lie on another one.
const overlayMagic = 0x794c7630

// snapshotter is how containerd can lay image layers upon one another in this directory.
func snapshotter(directory string) string {
	var info syscall.Statfs_t
	if err := syscall.Statfs(directory, &info); err == nil && info.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
