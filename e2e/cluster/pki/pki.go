package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A throw-away cluster outlives no certificate, and the clock may be off by a little.
const (
	certificateLifetime = 365 * 24 * time.Hour
	clockSkew           = time.Hour
)

// Node is what certificates and kubeconfigs are for.
type Node struct {
	Name      string
	IP        string // where kubelet and API server are reached from pods
	ServiceIP string // of the Service `kubernetes`
	Port      int    // the API server's, on 127.0.0.1
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// Write makes the certificates that kubeadm would, and a kubeconfig for each program,
// in a directory; the administrator's kubeconfig goes to a file of its own. The
// directory is made if it is not there, files in it are replaced.
func Write(directory, kubeconfig string, node Node) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(directory, "ca", "kubernetes")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority(directory, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return err
	}

	servers := []struct {
		file, name string
		dns        []string
		ips        []string
	}{
		{"apiserver", "kube-apiserver",
			[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			[]string{"127.0.0.1", node.IP, node.ServiceIP}},
		{"kubelet-server", "system:node:" + node.Name, []string{node.Name, "localhost"}, []string{"127.0.0.1", node.IP}},
	}
	for _, server := range servers {
		template := &x509.Certificate{
			Subject:     pkix.Name{CommonName: server.name},
			DNSNames:    server.dns,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		for _, address := range server.ips {
			ip := net.ParseIP(address)
			if ip == nil {
				return fmt.Errorf("certificate for %s: `%s` is no IP address", server.file, address)
			}
			template.IPAddresses = append(template.IPAddresses, ip)
		}
		if err := ca.issue(directory, server.file, template); err != nil {
			return err
		}
	}

	clients := []struct {
		by         authority
		file, name string
		group      string
		kubeconfig string
	}{
		{ca, "admin", "kubernetes-admin", "system:masters", kubeconfig},
		{ca, "apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters", ""},
		{ca, "controller-manager", "system:kube-controller-manager", "", filepath.Join(directory, "controller-manager.kubeconfig")},
		{ca, "scheduler", "system:kube-scheduler", "", filepath.Join(directory, "scheduler.kubeconfig")},
		{ca, "kubelet", "system:node:" + node.Name, "system:nodes", filepath.Join(directory, "kubelet.kubeconfig")},
		{frontProxy, "front-proxy-client", "front-proxy-client", "", ""},
	}
	for _, client := range clients {
		template := &x509.Certificate{
			Subject:     pkix.Name{CommonName: client.name},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if client.group != "" {
			template.Subject.Organization = []string{client.group}
		}
		if err := client.by.issue(directory, client.file, template); err != nil {
			return err
		}
		if client.kubeconfig != "" {
			if err := writeKubeconfig(directory, client.file, client.kubeconfig, node.Port); err != nil {
				return err
			}
		}
	}
	return writeKeyPair(directory, "service-account")
}

func newAuthority(directory, file, name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	if err := writeCertificate(directory, file, certificate, key); err != nil {
		return authority{}, err
	}
	parsed, err := x509.ParseCertificate(certificate)
	return authority{parsed, key}, err
}

// issue makes a certificate and its key: file.crt and file.key.
func (a authority) issue(directory, file string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	certificate, err := sign(template, a.certificate, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("certificate for %s: %w", file, err)
	}
	return writeCertificate(directory, file, certificate, key)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-clockSkew)
	template.NotAfter = time.Now().Add(certificateLifetime)
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}

func writeCertificate(directory, file string, certificate []byte, key *ecdsa.PrivateKey) error {
	if err := writePEM(filepath.Join(directory, file+".crt"), "CERTIFICATE", certificate); err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(directory, file+".key"), "PRIVATE KEY", private)
}

// writeKeyPair makes the key that ServiceAccount tokens are signed with.
func writeKeyPair(directory, file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	// Kubernetes reads signing keys as EC PRIVATE KEY only.
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(directory, file+".key"), "EC PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(filepath.Join(directory, file+".pub"), "PUBLIC KEY", public)
}

func writePEM(path, kind string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}

func writeKubeconfig(directory, client, path string, port int) error {
	encoded := map[string]string{}
	for _, file := range []string{"ca.crt", client + ".crt", client + ".key"} {
		content, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			return err
		}
		encoded[file] = base64.StdEncoding.EncodeToString(content)
	}
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: cluster
    cluster:
      server: https://127.0.0.1:%d
      certificate-authority-data: %s
users:
  - name: %[5]s
    user:
      client-certificate-data: %[3]s
      client-key-data: %[4]s
contexts:
  - name: cluster
    context: { cluster: cluster, user: %[5]s }
current-context: cluster
`, port, encoded["ca.crt"], encoded[client+".crt"], encoded[client+".key"], client)
	return os.WriteFile(path, []byte(content), 0o600)
}
