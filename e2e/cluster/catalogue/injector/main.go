// Command injector is a mutating admission webhook as careless ones are: it adds a sidecar that
// runs as root to every pod that has none. The end-to-end suite lets it run before and after
// ironhull.
//
// Certificate and key are read from /tls (tls.crt, tls.key); it listens on port 8443.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID    string `json:"uid"`
	Object struct {
		Spec struct {
			Containers []struct {
				Name  string `json:"name"`
				Image string `json:"image"`
			} `json:"containers"`
		} `json:"spec"`
	} `json:"object"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	Patch     []byte `json:"patch,omitempty"`
	PatchType string `json:"patchType,omitempty"`
}

const sidecar = "injected"

func main() {
	http.HandleFunc("POST /inject", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
		var in review
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil || in.Request == nil {
			http.Error(w, "no AdmissionReview", http.StatusBadRequest)
			return
		}
		in.Response = answer(in.Request)
		in.Request = nil
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(in); err != nil {
			log.Print(err)
		}
	})
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServeTLS(":8443", "/tls/tls.crt", "/tls/tls.key", nil))
}

func answer(r *request) *response {
	out := &response{UID: r.UID, Allowed: true}
	containers := r.Object.Spec.Containers
	if len(containers) == 0 {
		return out
	}
	for _, container := range containers {
		if container.Name == sidecar {
			return out
		}
	}
	patch, err := json.Marshal([]map[string]any{{
		"op": "add", "path": "/spec/containers/-",
		"value": map[string]any{
			"name": sidecar, "image": containers[0].Image, "imagePullPolicy": "IfNotPresent",
			"command":         []string{"sleep", "3600"},
			"securityContext": map[string]any{"runAsUser": 0},
		},
	}})
	if err != nil {
		log.Fatal(err) // it is all literals
	}
	out.Patch, out.PatchType = patch, "JSONPatch"
	return out
}
