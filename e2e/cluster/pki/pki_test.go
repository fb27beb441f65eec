package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var testNode = Node{Name: "check-control-plane", IP: "10.10.0.1", ServiceIP: "10.96.0.1", Port: 443}

func TestCertificatesAreWhatTheirProgramsNeed(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "pki")
	if err := Write(directory, filepath.Join(t.TempDir(), "kubeconfig"), testNode); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []struct {
		file, authority string
		usage           x509.ExtKeyUsage
		name, group     string
		reachable       []string
	}{
		{"apiserver", "ca", x509.ExtKeyUsageServerAuth, "kube-apiserver", "",
			[]string{"127.0.0.1", "10.10.0.1", "10.96.0.1", "kubernetes.default.svc"}},
		{"kubelet-server", "ca", x509.ExtKeyUsageServerAuth, "system:node:check-control-plane", "",
			[]string{"10.10.0.1", "check-control-plane"}},
		{"admin", "ca", x509.ExtKeyUsageClientAuth, "kubernetes-admin", "system:masters", nil},
		{"apiserver-kubelet-client", "ca", x509.ExtKeyUsageClientAuth, "kube-apiserver-kubelet-client", "system:masters", nil},
		{"controller-manager", "ca", x509.ExtKeyUsageClientAuth, "system:kube-controller-manager", "", nil},
		{"scheduler", "ca", x509.ExtKeyUsageClientAuth, "system:kube-scheduler", "", nil},
		{"kubelet", "ca", x509.ExtKeyUsageClientAuth, "system:node:check-control-plane", "system:nodes", nil},
		{"front-proxy-client", "front-proxy-ca", x509.ExtKeyUsageClientAuth, "front-proxy-client", "", nil},
	} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(directory, expected.file+".crt"), filepath.Join(directory, expected.file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM(read(t, filepath.Join(directory, expected.authority+".crt")))
		options := x509.VerifyOptions{Roots: authorities, KeyUsages: []x509.ExtKeyUsage{expected.usage}}
		if _, err := pair.Leaf.Verify(options); err != nil {
			t.Errorf("%s: %v", expected.file, err)
		}
		subject := pair.Leaf.Subject
		if subject.CommonName != expected.name || strings.Join(subject.Organization, ",") != expected.group {
			t.Errorf("%s is of %s", expected.file, subject)
		}
		for _, host := range expected.reachable {
			if err := pair.Leaf.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", expected.file, err)
			}
		}
	}
}

func TestNobodyElseMayReadKeys(t *testing.T) {
	state := t.TempDir()
	kubeconfig := filepath.Join(state, "kubeconfig")
	if err := Write(filepath.Join(state, "pki"), kubeconfig, testNode); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "pki", "*"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range append(files, kubeconfig) {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", file, info.Mode(), err)
		}
	}
	if content := string(read(t, kubeconfig)); !strings.Contains(content, "server: https://127.0.0.1:443\n") {
		t.Errorf("kubeconfig:\n%s", content)
	}
}

func TestAnAddressMustBeOne(t *testing.T) {
	bad := testNode
	bad.ServiceIP = "10.96.0.0/16"
	directory := t.TempDir()
	err := Write(directory, filepath.Join(directory, "kubeconfig"), bad)
	if err == nil || !strings.Contains(err.Error(), "apiserver: `10.96.0.0/16` is no IP address") {
		t.Errorf("%v", err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
