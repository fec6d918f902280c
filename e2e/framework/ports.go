package framework

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports to choose from. They end below the range that Linux gives to outgoing connections, so that a server that
// is down for a moment does not find its port taken by somebody's client.
const (
	firstPort = 12000
	lastPort  = 32000
)

var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// FreePort returns a port of 127.0.0.1 that nobody listens on and that this process has not returned before.
// Somebody else may still take it before it is used.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			continue
		}
		ports.given[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no free port of 127.0.0.1 between %d and %d in 200 tries", firstPort, lastPort)
}
