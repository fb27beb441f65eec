// Argo CD's application controller and repository server, by the name that this is called by, as Argo CD's own
// cmd/main.go does it for all of its programs. `redis` is the cache between them, at the address that follows.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"
	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

func main() {
	log.SetFlags(0)
	var err error
	switch name := filepath.Base(os.Args[0]); name {
	case "argocd-application-controller":
		err = controller.NewCommand().Execute()
	case "argocd-repo-server":
		err = reposerver.NewCommand().Execute()
	case "redis":
		if err = miniredis.NewMiniRedis().StartAddr(os.Args[1]); err == nil {
			select {}
		}
	default:
		log.Fatalf("no program is called %s", name)
	}
	if err != nil {
		log.Fatal(err)
	}
}
