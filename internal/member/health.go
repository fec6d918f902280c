package member

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
)

// cluster is one member: its registration, its health and its caches.
type cluster struct {
	all  *Clusters
	name string
	uid  types.UID
	log  logr.Logger

	cancel context.CancelFunc
	done   chan struct{}
	// woken says that the connection is another one, or that the present one is in doubt.
	woken chan struct{}

	mu sync.RWMutex
	// connection is nil when the registration is wrong.
	connection *connection
	wrong      string
	doubted    bool
	// sick says why the member is not healthy; nothing when it is.
	sick string
	// refuses says that the member is alive, but lets nothing be done.
	refuses  string
	watching map[Target]*watching
	// session is what watches run under, nil while there are none.
	session context.Context
	through *connection
}

// NotAsked is why a member is not healthy that was just registered, or registered anew. It is soon, or there is another
// reason.
const NotAsked = "it has not been asked yet"

const replaceTime = 5 * time.Second

// run keeps the member's health and its sessions, until the context ends.
func (c *cluster) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		conn := c.current()
		if conn == nil {
			c.unusable()
			c.wait(ctx, nil)
			continue
		}
		if !c.recover(ctx, conn) {
			continue
		}
		end := c.begin(ctx, conn)
		c.stay(ctx, conn)
		end()
	}
}

// current returns the connection that is to be used, nil when there is none.
func (c *cluster) current() *connection {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.connection
}

// wait waits until something is to be looked at, or the timer, if there is one, fires.
func (c *cluster) wait(ctx context.Context, timer <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-c.woken:
	case <-timer:
	}
}

// recover asks the member until it is ready. It returns false when the connection is no longer the one to ask through.
func (c *cluster) recover(ctx context.Context, conn *connection) bool {
	timing := c.all.options
	for delay := timing.probeFirst; ; delay = min(2*delay, timing.probeMost) {
		if ctx.Err() != nil || c.current() != conn {
			return false
		}
		if c.ask(ctx, conn) {
			return true
		}
		c.wait(ctx, timing.clock.After(delay))
	}
}

// ask probes the member and notes what came of it.
func (c *cluster) ask(ctx context.Context, conn *connection) bool {
	c.mu.Lock()
	c.doubted = false
	c.mu.Unlock()
	asked, cancel := context.WithTimeout(ctx, c.all.options.probeTimeout)
	why := conn.probe(asked)
	cancel()
	if ctx.Err() != nil {
		return false
	}
	c.mu.Lock()
	if c.connection != conn {
		c.mu.Unlock()
		return false
	}
	was := c.sick
	c.sick = why
	c.mu.Unlock()
	switch {
	case why == "" && was != "":
		c.log.Info("The member cluster is healthy")
		c.recovered()
	case why != "" && was != why:
		c.log.Info("The member cluster is not healthy", "reason", why)
		if was == "" || was == NotAsked {
			c.failed()
		}
	}
	return why == ""
}

func (c *cluster) recovered() {
	if healthy, _ := c.healthy(); !healthy {
		return
	}
	if notify := c.all.options.OnHealthy; notify != nil {
		notify(c.name)
	}
}

// unusable tells that there is nothing to connect with. Before the registration was looked at it is not known.
func (c *cluster) unusable() {
	c.mu.RLock()
	wrong := c.wrong
	c.mu.RUnlock()
	if wrong != "" {
		c.failed()
	}
}

func (c *cluster) failed() {
	if notify := c.all.options.OnUnhealthy; notify != nil {
		notify(c.name)
	}
}

// begin starts to watch all targets. What it returns ends that, and waits.
func (c *cluster) begin(ctx context.Context, conn *connection) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.session, c.through = ctx, conn
	for _, w := range c.watching {
		w.start(ctx, conn)
	}
	c.mu.Unlock()
	return func() {
		cancel()
		c.mu.Lock()
		c.session, c.through = nil, nil
		var stops []func()
		for _, w := range c.watching {
			if w.stop != nil {
				stops = append(stops, w.stop)
				w.stop = nil
			}
		}
		c.mu.Unlock()
		for _, stop := range stops {
			stop()
		}
	}
}

// stay waits for as long as the session is good.
func (c *cluster) stay(ctx context.Context, conn *connection) {
	timing := c.all.options
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-conn.member.Context().Done():
			c.replaced(ctx, conn)
			return
		case <-c.woken:
		}
		if c.current() != conn {
			return
		}
		c.mu.RLock()
		doubted := c.doubted
		c.mu.RUnlock()
		if !doubted {
			continue
		}
		if !c.ask(ctx, conn) {
			return
		}
		// A member that is ready and fails all the same is not asked all the time.
		select {
		case <-ctx.Done():
		case <-timing.clock.After(timing.probeFirst):
		}
	}
}

// replaced waits for the connection that comes after one that was retired: the pool may hear of new credentials first.
func (c *cluster) replaced(ctx context.Context, conn *connection) {
	late := c.all.options.clock.After(replaceTime)
	for ctx.Err() == nil && c.current() == conn {
		select {
		case <-ctx.Done():
		case <-c.woken:
		case <-late:
			c.mu.Lock()
			c.sick = "its connection was closed"
			c.mu.Unlock()
			c.failed()
			late = nil
		}
	}
}

// doubt notes an error that makes one ask the member whether it is ready.
func (c *cluster) doubt(conn *connection, err error) {
	if !suspicious(err) {
		return
	}
	c.mu.Lock()
	if c.connection != conn || c.doubted {
		c.mu.Unlock()
		return
	}
	c.doubted = true
	c.mu.Unlock()
	c.wake()
}

func (c *cluster) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// judge notes whether the member is alive but lets nothing be watched.
func (c *cluster) judge() {
	c.mu.Lock()
	was := c.refuses
	c.refuses = ""
	if c.session != nil {
		for _, w := range c.watching {
			err := w.refused()
			if err == nil {
				c.refuses = ""
				break
			}
			c.refuses = fmt.Sprintf("it refuses everything: %s", cut(reason(err), 1024))
		}
	}
	is := c.refuses
	c.mu.Unlock()
	switch {
	case is == "" && was != "":
		c.log.Info("The member cluster lets itself be watched again")
		c.recovered()
	case is != "" && was == "":
		c.log.Info("The member cluster is not healthy", "reason", is)
		c.failed()
	}
}

// healthy says whether the member is, and else why not.
func (c *cluster) healthy() (ok bool, why string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.wrong != "":
		why = c.wrong
	case c.sick != "":
		why = c.sick
	case c.refuses != "":
		why = c.refuses
	}
	return why == "", why
}
