package main

import (
	"strconv"
)

const pki = stateInside + "/pki"

// stages are the programs in the order of their needs: each stage is started
// when the one before is ready.
func stages(nodeName string, options startOptions) [][]program {
	first := []program{etcd()}
	last := []program{controllerManager(), scheduler()}
	if !options.ControlPlaneOnly {
		first = append(first, containerd())
		last = append(last, kubelet(nodeName))
	}
	return [][]program{first, {apiServer(options)}, last}
}

func programNames(options startOptions) []string {
	var names []string
	for _, stage := range stages("", options) {
		for _, program := range stage {
			names = append(names, program.name)
		}
	}
	return names
}

func etcd() program {
	return program{
		name: "etcd",
		args: []string{
			"--data-dir=/var/lib/etcd",
			"--listen-client-urls=http://127.0.0.1:2379",
			"--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=default=http://127.0.0.1:2380",
			// Nothing here has to survive the machine's crash.
			"--unsafe-no-fsync",
			// Room for tens of thousands of pods, each in several revisions.
			"--quota-backend-bytes=8589934592",
			"--log-level=warn",
		},
		ready: dials("tcp", "127.0.0.1:2379"),
	}
}

func apiServer(options startOptions) program {
	args := []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + nodeIP,
		"--secure-port=" + strconv.Itoa(apiServerPort),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		// Webhooks named by a Service are called at its endpoints' own addresses.
		"--enable-aggregator-routing=true",
		"--client-ca-file=" + pki + "/ca.crt",
		"--tls-cert-file=" + pki + "/apiserver.crt",
		"--tls-private-key-file=" + pki + "/apiserver.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + pki + "/ca.crt",
		"--kubelet-client-certificate=" + pki + "/apiserver-kubelet-client.crt",
		"--kubelet-client-key=" + pki + "/apiserver-kubelet-client.key",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki + "/service-account.pub",
		"--service-account-signing-key-file=" + pki + "/service-account.key",
		"--requestheader-client-ca-file=" + pki + "/front-proxy-ca.crt",
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pki + "/front-proxy-client.crt",
		"--proxy-client-key-file=" + pki + "/front-proxy-client.key",
	}
	if !options.NoAudit {
		args = append(args,
			"--audit-policy-file="+stateInside+"/config/audit-policy.yaml",
			"--audit-log-path="+stateInside+"/audit/audit.log",
			// A test reads one file: no rotation.
			"--audit-log-maxsize=4096",
		)
	}
	return program{name: "kube-apiserver", args: args, ready: answersReady}
}

func controllerManager() program {
	return program{
		name: "kube-controller-manager",
		args: []string{
			"--kubeconfig=" + pki + "/controller-manager.kubeconfig",
			"--authentication-kubeconfig=" + pki + "/controller-manager.kubeconfig",
			"--authorization-kubeconfig=" + pki + "/controller-manager.kubeconfig",
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
			"--use-service-account-credentials=true",
			"--root-ca-file=" + pki + "/ca.crt",
			"--service-account-private-key-file=" + pki + "/service-account.key",
			"--cluster-signing-cert-file=" + pki + "/ca.crt",
			"--cluster-signing-key-file=" + pki + "/ca.key",
		},
	}
}

func scheduler() program {
	return program{
		name: "kube-scheduler",
		args: []string{
			"--kubeconfig=" + pki + "/scheduler.kubeconfig",
			"--authentication-kubeconfig=" + pki + "/scheduler.kubeconfig",
			"--authorization-kubeconfig=" + pki + "/scheduler.kubeconfig",
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
		},
	}
}

func containerd() program {
	return program{
		name:  "containerd",
		args:  []string{"--config=" + stateInside + "/config/containerd.toml"},
		ready: dials("unix", containerdSocket),
	}
}

func kubelet(nodeName string) program {
	return program{
		name: "kubelet",
		args: []string{
			"--config=" + stateInside + "/config/kubelet.yaml",
			"--kubeconfig=" + pki + "/kubelet.kubeconfig",
			"--hostname-override=" + nodeName,
			"--node-ip=" + nodeIP,
		},
	}
}
