// Package pki makes the certificates, keys and kubeconfigs of a Kubernetes cluster with
// one node, as kubeadm would.
//
// Input is the [Node]'s name and addresses. Output is PEM files in one directory:
//
//	ca, front-proxy-ca                       certificate authorities
//	apiserver, kubelet-server                servers, with their names and addresses
//	admin, apiserver-kubelet-client,
//	controller-manager, scheduler, kubelet,
//	front-proxy-client                       clients, with the groups that RBAC knows
//	service-account.key, service-account.pub for ServiceAccount tokens
//
// each as NAME.crt and NAME.key, and kubeconfigs for controller-manager, scheduler, kubelet
// and the administrator, with the certificates in them.
//
// Keys are ECDSA P-256, new each time. Certificates are valid for a year, from an hour ago.
// All files have mode 0600, the directory 0700.
//
// Errors are those of the file system; an address that is no IP address is one that
// names the certificate. Nothing is renewed or revoked, and nothing should be trusted
// beyond a throw-away cluster: the administrator is in system:masters.
package pki
