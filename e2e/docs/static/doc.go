// Package static holds the tests of the documentation that need no cluster: links, anchors, commands' flags, make targets,
// manifests, and that no command escapes the tests that run them.
package static
