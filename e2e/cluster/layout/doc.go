// Package layout says where everything of a cluster is on disk, and keeps what it was
// started with.
//
// Input is the cluster's name and two variables that the script e2e/cluster/cluster sets:
// CLUSTER_ROOT, the repository, and CLUSTER_DIR, target/cluster by default. Output is
// paths:
//
//	CLUSTER_DIR/bin           programs; bin-1.32 and the like for an older Kubernetes
//	CLUSTER_DIR/images        image archives
//	CLUSTER_DIR/state/NAME    all that is the cluster's own: kubeconfig, logs, data
//	  …/cluster.json          the [Options]
//
// A cluster that exists is found as it was started, whatever is asked for now: a new
// layout is of the Kubernetes in its cluster.json. No directory is made.
//
// Names are 1 to 32 of a-z, 0-9 and -, for they become parts of file names, of a cgroup's and
// of the node's name. A bad name and missing variables are errors. An unreadable
// cluster.json counts as no cluster in [New], and is an error in [Layout.ReadOptions].
package layout
