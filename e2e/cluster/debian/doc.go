// Package debian unpacks Debian packages with their dependencies, without
// installing them.
//
// Input is names of packages; output is their entries, one call of [Add] each.
// apt resolves, downloads and verifies, from the machine's own sources, as if
// nothing were installed but what is left out: the packages that servers need for
// maintainer scripts alone, and those the caller names. Recommended packages are
// not included. If apt fails, its package lists are updated once and it is tried
// again.
//
// Maintainer scripts are not run, so users, directories and links that they would
// make are missing. Documentation, manual pages and translations are dropped.
//
// It needs apt-get, dpkg and dpkg-deb; nothing of the machine's own packages
// changes, and temporary files are removed. Errors say which command failed, with
// its output, or which package's file could not be unpacked. An error from [Add] ends
// the package it came from and is returned.
package debian
