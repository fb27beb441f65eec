package node

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/supervisor"
)

const pkiInside = stateInside + "/pki"

// stages are the programs in the order of their needs: each stage is started
// when the one before is ready.
func stages(nodeName string, options layout.Options) [][]supervisor.Program {
	first := []supervisor.Program{etcd()}
	last := []supervisor.Program{controllerManager(), scheduler()}
	if !options.ControlPlaneOnly {
		first = append(first, containerd())
		last = append(last, kubelet(nodeName))
	}
	return [][]supervisor.Program{first, {apiServer(options)}, last}
}

func programNames(options layout.Options) []string {
	var names []string
	for _, stage := range stages("", options) {
		for _, program := range stage {
			names = append(names, program.Name)
		}
	}
	return names
}

func etcd() supervisor.Program {
	return supervisor.Program{
		Name: "etcd",
		Args: []string{
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
		Ready: dials("tcp", "127.0.0.1:2379"),
	}
}

func apiServer(options layout.Options) supervisor.Program {
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
		"--client-ca-file=" + pkiInside + "/ca.crt",
		"--tls-cert-file=" + pkiInside + "/apiserver.crt",
		"--tls-private-key-file=" + pkiInside + "/apiserver.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + pkiInside + "/ca.crt",
		"--kubelet-client-certificate=" + pkiInside + "/apiserver-kubelet-client.crt",
		"--kubelet-client-key=" + pkiInside + "/apiserver-kubelet-client.key",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pkiInside + "/service-account.pub",
		"--service-account-signing-key-file=" + pkiInside + "/service-account.key",
		"--requestheader-client-ca-file=" + pkiInside + "/front-proxy-ca.crt",
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pkiInside + "/front-proxy-client.crt",
		"--proxy-client-key-file=" + pkiInside + "/front-proxy-client.key",
	}
	if !options.NoAudit {
		args = append(args,
			"--audit-policy-file="+stateInside+"/config/audit-policy.yaml",
			"--audit-log-path="+stateInside+"/audit/audit.log",
			// A test reads one file: no rotation.
			"--audit-log-maxsize=4096",
		)
	}
	return supervisor.Program{Name: "kube-apiserver", Args: args, Ready: answersReady}
}

func controllerManager() supervisor.Program {
	return supervisor.Program{
		Name: "kube-controller-manager",
		Args: []string{
			"--kubeconfig=" + pkiInside + "/controller-manager.kubeconfig",
			"--authentication-kubeconfig=" + pkiInside + "/controller-manager.kubeconfig",
			"--authorization-kubeconfig=" + pkiInside + "/controller-manager.kubeconfig",
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
			"--use-service-account-credentials=true",
			"--root-ca-file=" + pkiInside + "/ca.crt",
			"--service-account-private-key-file=" + pkiInside + "/service-account.key",
			"--cluster-signing-cert-file=" + pkiInside + "/ca.crt",
			"--cluster-signing-key-file=" + pkiInside + "/ca.key",
		},
	}
}

func scheduler() supervisor.Program {
	return supervisor.Program{
		Name: "kube-scheduler",
		Args: []string{
			"--kubeconfig=" + pkiInside + "/scheduler.kubeconfig",
			"--authentication-kubeconfig=" + pkiInside + "/scheduler.kubeconfig",
			"--authorization-kubeconfig=" + pkiInside + "/scheduler.kubeconfig",
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
		},
	}
}

func containerd() supervisor.Program {
	return supervisor.Program{
		Name:  "containerd",
		Args:  []string{"--config=" + stateInside + "/config/containerd.toml"},
		Ready: dials("unix", containerdSocket),
	}
}

func kubelet(nodeName string) supervisor.Program {
	return supervisor.Program{
		Name: "kubelet",
		Args: []string{
			"--config=" + stateInside + "/config/kubelet.yaml",
			"--kubeconfig=" + pkiInside + "/kubelet.kubeconfig",
			"--hostname-override=" + nodeName,
			"--node-ip=" + nodeIP,
		},
	}
}

func dials(network, address string) func() error {
	return func() error {
		connection, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	}
}

func answersReady() error {
	client := http.Client{
		Timeout: 2 * time.Second,
		// Only whether it is up; whoever talks to it in earnest verifies its certificate.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	response, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/readyz", apiServerPort))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-apiserver is not ready: %s", response.Status)
	}
	return nil
}
