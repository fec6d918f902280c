// Package docs runs the commands of the guides in docs/, from the first to the last, as a reader would: in a shell, in one
// directory, against a host and two members with upstream KubeFed and cellfed, by the real kubectl, kubectl cells and helm.
//
// CELLFED_BIN names the binaries' directory, and CELLFED_DOCS_DIR keeps data and logs in a directory. How a page says what is
// run and what is expected is in package pages; package static holds the tests that need no cluster.
package docs
