// Package catalogue has the test images: their descriptions, and a [Store] that
// makes their archives.
//
// Input is the descriptions in catalogue.go, users.go and faults.go, the scripts in images/, the programs in
// injector/ and fault/, Debian packages and this machine's busybox; output is an archive
// NAME.tar in the store's directory, of an image that pods name
// localhost/NAME:local.
//
// Every image has busybox behind its own programs, root, www-data and nobody in
// /etc/passwd, and a PATH. An archive is made once for a description, and anew when
// the description changes; its packages stay what they were. A file
// .NAME.made beside the archive holds the description's hash. The package log gets
// a line for each archive that is made.
//
// Errors name the image. An image of packages needs apt-get, one with a
// program of its own needs Go, and all need the package busybox-static. Archives
// are for this machine's architecture. Two processes must not make one image at the same
// time: nothing locks the store.
package catalogue
