package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// file is a pod as a manifest, with each container on a line of its own: where a scanner gives the place of a finding, the
// line names the container.
type file struct {
	text       []byte
	containers map[int]string // name by line, from 1
}

// write makes the manifest of a pod. Apart from its layout nothing is changed but `apiVersion` and `kind`, which items of
// a list lack.
func write(pod object) (file, error) {
	made := file{containers: map[int]string{}}
	out := &writer{line: 1}
	whole := maps.Clone(pod)
	whole["apiVersion"], whole["kind"] = json.RawMessage(`"v1"`), json.RawMessage(`"Pod"`)
	var spec object
	if err := json.Unmarshal(whole["spec"], &spec); err != nil {
		return file{}, err
	}
	var metadata struct{ Name string }
	if err := json.Unmarshal(whole["metadata"], &metadata); err != nil || metadata.Name == "" {
		return file{}, errors.New("it has no metadata.name, and Trivy is silent where its messages lack one")
	}
	delete(whole, "spec")
	delete(whole, "status")
	out.text("{")
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		out.member(key, whole[key])
		out.text(",\n")
	}
	out.text(`"spec":{`)
	first := true
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		if !first {
			out.text(",\n")
		}
		first = false
		var containers []json.RawMessage
		if !isContainers(key) || json.Unmarshal(spec[key], &containers) != nil || len(containers) == 0 {
			out.member(key, spec[key])
			continue
		}
		out.member(key, json.RawMessage("[\n"))
		for at, container := range containers {
			var named struct{ Name string }
			if err := json.Unmarshal(container, &named); err != nil {
				return file{}, err
			}
			if at > 0 {
				out.text(",\n")
			}
			made.containers[out.line] = named.Name
			out.value(container)
		}
		out.text("]")
	}
	out.text("}}\n")
	made.text = out.buffer.Bytes()
	return made, out.err
}

func isContainers(key string) bool {
	return key == "containers" || key == "initContainers" || key == "ephemeralContainers"
}

// writer counts lines.
type writer struct {
	buffer bytes.Buffer
	line   int
	err    error
}

func (w *writer) text(text string) {
	w.buffer.WriteString(text)
	w.line += bytes.Count([]byte(text), []byte("\n"))
}

// value writes a JSON value on one line.
func (w *writer) value(value json.RawMessage) {
	if err := json.Compact(&w.buffer, value); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *writer) member(key string, value json.RawMessage) {
	name, err := json.Marshal(key)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.buffer.Write(name)
	w.text(":")
	if string(value) == "[\n" { // the beginning of a list
		w.text("[\n")
		return
	}
	w.value(value)
}
