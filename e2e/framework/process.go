package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTimeout bounds how long a process may take to end after SIGTERM before it is killed.
const stopTimeout = 20 * time.Second

// Program says how a process is started.
type Program struct {
	// Name names the process in errors, and its log file, <Dir>/<Name>.log.
	Name string
	// Path is the executable.
	Path string
	// Args are the arguments, without the program's name.
	Args []string
	// Env is added to this process's environment, each entry as key=value.
	Env []string
	// Dir holds the log file and is the working directory. It is made when it is not there.
	Dir string
	// Detached lets the process outlive this one. Otherwise the kernel kills it when this one ends.
	Detached bool
}

// Process is a running program. Its methods may be called from any goroutine.
type Process struct {
	// Name is the name it was started under.
	Name string
	// LogPath is the file that holds its standard output and standard error, earlier runs of the same name first.
	LogPath string

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// starter returns the channel to a goroutine that owns an operating system thread for good. The kernel sends a
// child its parent-death signal when the thread that started it ends, and Go ends threads as it likes.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

// Start starts the program in a process group of its own, so that a ctrl-C meant for this process does not reach it
// before this one has stopped it in order.
func Start(p Program) (*Process, error) {
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", p.Name, err)
	}
	logPath := filepath.Join(p.Dir, p.Name+".log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", p.Name, err)
	}
	// The child has its own copy.
	defer func() { _ = logFile.Close() }()

	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir = p.Dir
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout = logFile
	cmd.Stderr = logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.Detached {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}

	started := make(chan error, 1)
	starter() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}

	proc := &Process{Name: p.Name, LogPath: logPath, cmd: cmd, done: make(chan struct{})}
	go func() {
		proc.err = cmd.Wait()
		close(proc.done)
	}()
	return proc, nil
}

// PID returns the process's id, which is also its process group's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended, with the end of its log, or nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	state := "status 0"
	if p.err != nil {
		state = p.err.Error()
	}
	return fmt.Errorf("%s ended with %s; the end of %s:\n%s", p.Name, state, p.LogPath, p.LogTail(20))
}

// Stop asks the process to end, waits a bounded time, then kills it and what is left of its group. It is an error
// when the process had to be killed, or when ctx ended first; the process has ended in either case. Stopping one
// that has ended is fine.
func (p *Process) Stop(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(fmt.Errorf("stop %s: %w", p.Name, err), p.Kill())
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.Name, stopTimeout), p.Kill())
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop %s: %w", p.Name, ctx.Err()), p.Kill())
	}
}

// Kill ends the process and its group with SIGKILL and waits for it.
func (p *Process) Kill() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.done
	return nil
}

// Signal sends the process a signal, SIGSTOP and SIGCONT among them.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// stopped returns nil when every thread of the process is stopped by a signal: the signal does not stop all at once.
func (p *Process) stopped() error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
	if err != nil {
		return Final(err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if errors.Is(err, os.ErrNotExist) {
			continue // It has ended.
		}
		if err != nil {
			return Final(err)
		}
		// proc(5): the state follows the name, which is in parentheses and may hold anything.
		if state := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(state) == 0 || state[0] != "T" {
			return fmt.Errorf("a thread is in state %v", state)
		}
	}
	return nil
}

// LogTail returns the last lines of the log, or why it cannot be read.
func (p *Process) LogTail(lines int) string { return tail(p.LogPath, lines) }

func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
