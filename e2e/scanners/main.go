// Command scanners says what well-known scanners find in pods, so that ironhull's reports can be held against them.
//
// It is a filter: JSON lines in, one JSON line out for each, in the same order. The README has the format.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const usage = `scanners says what Trivy and kube-score find in pods.

usage:
  scanners [--trivy ID,…]
      in   {"id": "a", "pod": {"metadata": {…}, "spec": {…}}}
      out  {"id": "a", "findings": [{"scanner": "trivy", "check": "KSV-0012", "container": "app"}]}

Each JSON line on standard input is answered by one on standard output, in the same order. A finding is a check that
fails; without "container" it is about the pod, or the scanner does not say which container it means.

  --trivy    only these of Trivy's checks (all by default); a check of all takes 0.2 s a pod
  --help     this text

exit status: 0, 1 at the first line that is not such JSON or that a scanner cannot read, 2 for wrong arguments
`

// Trivy takes the square of the time for twice the pods, and a tenth of a second to begin.
const batch = 10

// line is a pod to look at.
type line struct {
	ID  string `json:"id"`
	Pod object `json:"pod"`
}

// object is a part of a pod, as it came.
type object = map[string]json.RawMessage

// answer is what was found in one pod.
type answer struct {
	ID       string    `json:"id"`
	Findings []finding `json:"findings"`
}

// finding is one check that fails.
type finding struct {
	Scanner   string `json:"scanner"`
	Check     string `json:"check"`
	Container string `json:"container,omitempty"`
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program, and returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("scanners", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors and help are printed here, in one form
	var only []string
	flags.Func("trivy", "", func(text string) error {
		only = strings.Split(text, ",")
		return nil
	})
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "scanners: %v; see scanners --help\n", err)
		return 2
	}
	if err := scan(stdin, stdout, only); err != nil {
		fmt.Fprintf(stderr, "scanners: %v\n", err)
		return 1
	}
	return 0
}

// scan answers every line.
func scan(in io.Reader, out io.Writer, only []string) error {
	lines, err := read(in)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for some := range slices.Chunk(lines, batch) {
		files := make([]file, len(some))
		for at, line := range some {
			if files[at], err = write(line.Pod); err != nil {
				return fmt.Errorf("pod %s: %w", line.ID, err)
			}
		}
		found, err := trivy(files, only)
		if err != nil {
			return fmt.Errorf("trivy: %w", err)
		}
		for at, line := range some {
			more, err := kubeScore(files[at])
			if err != nil {
				return fmt.Errorf("kube-score: pod %s: %w", line.ID, err)
			}
			if err := encoder.Encode(answer{line.ID, sorted(append(found[at], more...))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func read(in io.Reader) ([]line, error) {
	var lines []line
	reader := bufio.NewReader(in) // not a Scanner: that limits the length of a line
	for number := 1; ; number++ {
		text, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		if len(text) == 0 {
			return lines, nil
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		var next line
		if err := decoder.Decode(&next); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		lines = append(lines, next)
	}
}

// sorted brings findings in order, each once.
func sorted(findings []finding) []finding {
	slices.SortFunc(findings, func(a, b finding) int {
		return slices.Compare([]string{a.Scanner, a.Check, a.Container}, []string{b.Scanner, b.Check, b.Container})
	})
	findings = slices.Compact(findings)
	if findings == nil {
		return []finding{}
	}
	return findings
}
