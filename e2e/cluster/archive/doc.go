// Package archive writes container images to archives without a container engine.
//
// Input is an image's name, its configuration and, for each layer, a function that
// fills a [Layer] with files; output is one tar file as `docker save` writes it, which docker,
// podman, containerd and kind load.
//
// The same input gives the same bytes: entries have the epoch as
// their time, and owners are numbers without names. In a layer each path is there once, after
// its parents. A path below bin, lib, lib32, lib64, libx32 or sbin is put below usr,
// where Debian has it now; [Layer.MergeUsr] adds the links that lead there. Sizes are
// in bytes, modes are those of chmod, capabilities are bit sets by the kernel's
// numbers.
//
// Errors are those of the file system and of the fill function, and a file
// capability for a path that is in no layer. A failed [Write] leaves no
// file, and an older one as it was.
//
// Limits: layers are not compressed; the architecture is that of the program; no
// extended attributes but file capabilities.
package archive
