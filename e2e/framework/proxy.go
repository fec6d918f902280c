package framework

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// chunkBytes is what is read from a connection at once.
	chunkBytes = 32 << 10
	// chunksInFlight bounds what is held back of one direction of a connection. A sender that is further ahead waits,
	// as it does before a full window of TCP.
	chunksInFlight = 256
)

type proxyMode int

const (
	proxyPass proxyMode = iota
	proxyHang
	proxyDrop
)

// Proxy is a TCP proxy before an API server, in this process, with the faults of a network: delay, silence, and
// connections that are reset. It does not touch TLS, so that the server's certificate holds on both ways. Its methods
// may be called from any goroutine, and hold for the connections that are open as well.
type Proxy struct {
	target   string
	listener net.Listener
	done     sync.WaitGroup
	// stop is closed by Close.
	stop chan struct{}

	mu                sync.Mutex
	mode              proxyMode
	changed           chan struct{}
	request, response time.Duration
	conns             map[*net.TCPConn]bool
	closed            bool
}

// NewProxy starts a proxy on a free port of 127.0.0.1 before the target, a host:port.
func NewProxy(target string) (*Proxy, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("start a proxy before %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: listener, stop: make(chan struct{}), changed: make(chan struct{}), conns: map[*net.TCPConn]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// NewProxy starts a proxy before the API server.
func (c *ControlPlane) NewProxy() (*Proxy, error) {
	return NewProxy(fmt.Sprintf("127.0.0.1:%d", c.Port))
}

// URL returns the https URL of the proxy, which a KubeFedCluster takes for its apiEndpoint.
func (p *Proxy) URL() string { return "https://" + p.listener.Addr().String() }

// Delay holds back what clients send by request, and what the server sends by response. It ends neither Hang nor Drop.
func (p *Proxy) Delay(request, response time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request, p.response = request, response
}

// Hang lets nothing through: connections are accepted and stay open, and are never answered. What was sent meanwhile
// arrives after Pass.
func (p *Proxy) Hang() { p.set(proxyHang) }

// Drop resets all connections, and each new one.
func (p *Proxy) Drop() {
	p.set(proxyDrop)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset()
}

// Pass ends Hang, Drop and Delay.
func (p *Proxy) Pass() {
	p.Delay(0, 0)
	p.set(proxyPass)
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if !p.closed {
		close(p.stop)
	}
	p.closed = true
	p.reset()
	p.mu.Unlock()
	err := p.listener.Close()
	p.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) set(mode proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	close(p.changed)
	p.changed = make(chan struct{})
}

// reset resets all connections. The caller holds the lock.
func (p *Proxy) reset() {
	for conn := range p.conns {
		// A reset, not an end.
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if client, ok := conn.(*net.TCPConn); ok {
			p.done.Go(func() { p.serve(client) })
		}
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	if !p.add(client) {
		return
	}
	defer p.remove(client)
	conn, err := net.Dial("tcp", p.target)
	if err != nil {
		// The server is away: the client is to see that, not an orderly end.
		_ = client.SetLinger(0)
		return
	}
	server, ok := conn.(*net.TCPConn)
	if !ok || !p.add(server) {
		return
	}
	defer p.remove(server)
	var both sync.WaitGroup
	both.Go(func() { p.pipe(server, client, func() time.Duration { return p.request }) })
	both.Go(func() { p.pipe(client, server, func() time.Duration { return p.response }) })
	both.Wait()
}

// add says whether the connection may go on.
func (p *Proxy) add(conn *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.mode == proxyDrop {
		_ = conn.SetLinger(0)
		_ = conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) remove(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	_ = conn.Close()
}

// chunk is what was read at once, and when it is to go on.
type chunk struct {
	data []byte
	due  time.Time
}

// pipe carries one direction of a connection. Each chunk is held back by itself: what follows does not add to it.
func (p *Proxy) pipe(to, from *net.TCPConn, delay func() time.Duration) {
	chunks := make(chan chunk, chunksInFlight)
	gone := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer close(gone)
		for c := range chunks {
			if !p.holdBack(c.due) || !p.through(to) {
				return
			}
			if _, err := to.Write(c.data); err != nil {
				return
			}
		}
		_ = to.CloseWrite()
	})
	p.read(from, delay, chunks, gone)
	close(chunks)
	writer.Wait()
}

func (p *Proxy) read(from io.Reader, delay func() time.Duration, chunks chan<- chunk, gone <-chan struct{}) {
	for {
		buffer := make([]byte, chunkBytes)
		n, err := from.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			due := time.Now().Add(delay())
			p.mu.Unlock()
			select {
			case chunks <- chunk{data: buffer[:n], due: due}:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// through waits while the proxy hangs, and says whether the connection is still there.
func (p *Proxy) through(conn *net.TCPConn) bool {
	for {
		p.mu.Lock()
		open, mode, changed := p.conns[conn] && !p.closed, p.mode, p.changed
		p.mu.Unlock()
		if !open || mode == proxyDrop {
			return false
		}
		if mode == proxyPass {
			return true
		}
		select {
		case <-changed:
		case <-p.stop:
			return false
		}
	}
}

// holdBack waits for the time, and says whether the proxy is still there.
func (p *Proxy) holdBack(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}
