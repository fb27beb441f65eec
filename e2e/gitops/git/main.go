// Serves the bare Git repositories of a directory by HTTP, on loopback, to whoever asks, by git's own CGI program:
//
//	git ADDRESS DIRECTORY
package main

import (
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("git ADDRESS DIRECTORY")
	}
	programs, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		log.Fatal("git --exec-path: ", err)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(programs)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + os.Args[2], "GIT_HTTP_EXPORT_ALL=1"},
	}))
}
