// Reads reports with OpenReports' own Go types, strictly: a member that they do not have is an error.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
)

func main() {
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err != nil {
			fail(name, err)
		}
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal(text, &list); err != nil {
			fail(name, err)
		}
		counts := map[string]int{}
		for _, item := range list.Items {
			var kind struct{ Kind string }
			if err := json.Unmarshal(item, &kind); err != nil {
				fail(name, err)
			}
			decoder := json.NewDecoder(bytes.NewReader(item))
			decoder.DisallowUnknownFields()
			var into any = &v1alpha1.Report{}
			if kind.Kind == "ClusterReport" {
				into = &v1alpha1.ClusterReport{}
			}
			if err := decoder.Decode(into); err != nil {
				fail(name, err)
			}
			counts[kind.Kind]++
		}
		fmt.Println("openreports:", filepath.Base(name), counts)
	}
}

func fail(name string, err error) {
	fmt.Fprintln(os.Stderr, name+":", err)
	os.Exit(1)
}
