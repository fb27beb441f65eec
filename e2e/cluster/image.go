package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"ironhull.dev/e2e/cluster/archive"
	"ironhull.dev/e2e/cluster/catalogue"
	"ironhull.dev/e2e/cluster/layout"
)

const imageUsage = `usage: cluster image COMMAND

  list                       the test images
  NAME… | all                make them: an archive each, kept
  debian NAME PACKAGES…      make an image of Debian's packages, without a USER (--without P,P: leave these out)
  load NAME… | all | FILE…   make what is missing, and give it to the cluster

Pods name them localhost/NAME:local, with imagePullPolicy Never or IfNotPresent.
`

func image(images catalogue.Store, to cluster, args []string) error {
	if len(args) == 0 {
		fmt.Print(imageUsage)
		return nil
	}
	switch command, rest := args[0], args[1:]; command {
	case "help", "--help":
		fmt.Print(imageUsage)
		return nil
	case "list":
		for _, image := range catalogue.Images {
			fmt.Printf("%-36s %s\n", image.Reference(), image.About)
		}
		return nil
	case "debian":
		return debianImage(images, rest)
	case "load":
		if len(rest) == 0 {
			return errors.New("load needs names of images, or archives")
		}
		for _, what := range expand(rest) {
			file := what
			if !strings.ContainsAny(what, "/.") {
				made, err := images.Archive(what)
				if err != nil {
					return err
				}
				file = made
			}
			if err := to.Load(file); err != nil {
				return err
			}
		}
		return nil
	default:
		for _, name := range expand(args) {
			file, err := images.Archive(name)
			if err != nil {
				return err
			}
			fmt.Println(file)
		}
		return nil
	}
}

// expand puts all names in place of `all`.
func expand(names []string) []string {
	var expanded []string
	for _, name := range names {
		if name != "all" {
			expanded = append(expanded, name)
			continue
		}
		for _, image := range catalogue.Images {
			expanded = append(expanded, image.Name)
		}
	}
	return expanded
}

func debianImage(images catalogue.Store, args []string) error {
	flags := flag.NewFlagSet("image debian", flag.ContinueOnError)
	without := flags.String("without", "", "packages to leave out, separated by commas")
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	args = flags.Args()
	if len(args) < 2 || !layout.ValidName(args[0]) {
		return errors.New("needs a name and packages: cluster image debian [--without P,P] NAME PACKAGES…")
	}
	image := catalogue.Image{Name: args[0], Packages: args[1:], Config: archive.Config{Cmd: []string{"sh"}}}
	if *without != "" {
		image.Without = strings.Split(*without, ",")
	}
	file, err := images.Make(image)
	if err == nil {
		fmt.Println(file)
	}
	return err
}
