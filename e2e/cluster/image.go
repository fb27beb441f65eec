package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const imageUsage = `usage: cluster image COMMAND

  list                       the test images
  NAME… | all                make them: an archive each, kept
  debian NAME PACKAGES…      make an image of Debian's packages, without a USER (--without P,P: leave these out)
  load NAME… | all | FILE…   make what is missing, and give it to the cluster

Pods name them localhost/NAME:local, with imagePullPolicy Never or IfNotPresent.
`

func image(p place, to cluster, args []string) error {
	if len(args) == 0 {
		fmt.Print(imageUsage)
		return nil
	}
	switch command, rest := args[0], args[1:]; command {
	case "help", "--help":
		fmt.Print(imageUsage)
		return nil
	case "list":
		for _, image := range testImages {
			fmt.Printf("%-36s %s\n", image.reference(), image.about)
		}
		return nil
	case "debian":
		return debianImage(p, rest)
	case "load":
		if len(rest) == 0 {
			return errors.New("load needs names of images, or archives")
		}
		for _, what := range expand(rest) {
			archive := what
			if !strings.ContainsAny(what, "/.") {
				made, err := p.make(what)
				if err != nil {
					return err
				}
				archive = made
			}
			if err := to.load(archive); err != nil {
				return err
			}
		}
		return nil
	default:
		for _, name := range expand(args) {
			archive, err := p.make(name)
			if err != nil {
				return err
			}
			fmt.Println(archive)
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
		for _, image := range testImages {
			expanded = append(expanded, image.name)
		}
	}
	return expanded
}

func (i testImage) reference() string { return "localhost/" + i.name + ":local" }

// make makes an image of the catalogue, or finds it made, and says where it is.
func (p place) make(name string) (string, error) {
	at := slices.IndexFunc(testImages, func(i testImage) bool { return i.name == name })
	if at < 0 {
		archive := p.archive(name)
		if exists(archive) { // made by `image debian`
			return archive, nil
		}
		return "", fmt.Errorf("there is no image `%s`: see `cluster image list`", name)
	}
	return p.pack(testImages[at])
}

func (p place) archive(name string) string { return filepath.Join(p.images, name+".tar") }

// pack writes the archive, unless it was made from the same description before.
// Newer versions of the packages are taken when the archive is removed.
func (p place) pack(image testImage) (string, error) {
	archive := p.archive(image.name)
	stamp := filepath.Join(p.images, "."+image.name+".made")
	description := sha256.Sum256(fmt.Appendf(nil, "%#v", image))
	inputs := hex.EncodeToString(description[:])
	if old, err := os.ReadFile(stamp); err == nil && string(old) == inputs && exists(archive) {
		return archive, nil
	}
	if err := os.MkdirAll(p.images, 0o755); err != nil {
		return "", err
	}
	began := time.Now()
	_ = os.Remove(stamp)
	config := image.config
	if len(config.Env) == 0 {
		config.Env = []string{defaultPath}
	}
	if err := writeImage(archive, image.reference(), config, image.caps, image.fill); err != nil {
		return "", fmt.Errorf("image %s: %w", image.name, err)
	}
	info, err := os.Stat(archive)
	if err != nil {
		return "", err
	}
	say("made %s in %.1f s: %d MiB", image.reference(), time.Since(began).Seconds(), info.Size()>>20)
	return archive, os.WriteFile(stamp, []byte(inputs), 0o644)
}

func debianImage(p place, args []string) error {
	flags := flag.NewFlagSet("image debian", flag.ContinueOnError)
	without := flags.String("without", "", "packages to leave out, separated by commas")
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	args = flags.Args()
	if len(args) < 2 || !validName.MatchString(args[0]) {
		return errors.New("needs a name and packages: cluster image debian [--without P,P] NAME PACKAGES…")
	}
	image := testImage{name: args[0], packages: args[1:], config: imageConfig{Cmd: []string{"sh"}}}
	if *without != "" {
		image.without = strings.Split(*without, ",")
	}
	archive, err := p.pack(image)
	if err == nil {
		fmt.Println(archive)
	}
	return err
}
