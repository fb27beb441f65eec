// The program of an image without a shell: it lists directories, one entry a line and without
// their owners, says who owns what is in them and whether a file can be made there, and waits.
package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	for _, directory := range os.Args[1:] {
		owners, err := list(directory)
		if err != nil {
			fmt.Println("error:", err)
		}
		fmt.Println("owners of", directory, "are", owners)
		err = os.WriteFile(filepath.Join(directory, "made"), nil, 0o600)
		fmt.Println("to write in", directory, "is an error:", err)
	}
	fmt.Println("listed as", os.Getuid())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

func list(directory string) ([]uint32, error) {
	var owners []uint32
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		if !slices.Contains(owners, stat.Uid) {
			owners = append(owners, stat.Uid)
		}
		what := "directory"
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what = fmt.Sprintf("link to %q", target)
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what = fmt.Sprintf("file of %d names, %x", stat.Nlink, sha256.Sum256(content))
		}
		fmt.Printf("entry %q %v %d %s\n", path, info.Mode(), info.ModTime().UnixNano(), what)
		return nil
	})
	return owners, err
}
