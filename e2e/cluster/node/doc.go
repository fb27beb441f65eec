// Package node runs a cluster of one real node without a container engine: etcd, the
// control plane, containerd and a kubelet, in namespaces of their own.
//
// Input is a layout; output is a running cluster, whose kubeconfig, logs and data are in
// the state directory. [Cluster.Start] builds what is missing, makes certificates
// and configuration, and starts this same program again as the supervisor
// ([Supervise]): the first process of new mount, process, network and UTS namespaces. It
// mounts, sets up the network, and keeps the programs running. When it ends, the kernel
// ends all of them, with their mounts and interfaces; what is left are the
// cgroups ironhull-cluster-NAME and the state directory, which [Cluster.Stop] removes.
//
// It guarantees that nothing of it is to be seen outside, but processes, those cgroups and
// files below CLUSTER_DIR: no mount, no interface, no changed kernel setting. A start that
// fails leaves nothing running. Two commands do not start or stop one cluster at once.
//
// [Cluster.Exec] becomes the command, in the cluster's network. [Cluster.Status] returns
// the exit code. Errors say what a machine lacks, or carry the end of what failed. It waits 5
// minutes for a start and 2 for a program that was killed, and asks for 1 GiB of disk.
// Memory is printed in MiB.
//
// Linux only, as root, and only in the program `cluster`: it runs that again, by `exec` for kubectl
// and by `supervise`. There is no kube-proxy, no name server, no way out of the
// network, and one node. README.md of e2e/cluster has how it works.
package node
