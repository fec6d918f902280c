package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// stopTimeout bounds how long a process that was left running may take to end.
const stopTimeout = 20 * time.Second

// keptProcess is a process that was left running.
type keptProcess struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started is when it started, in the kernel's ticks since boot: another process may have the same id later.
	Started string `json:"started"`
}

// keptDir is where a demo that stays has its data, logs and state.
func keptDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for a demo that stays: %w", err)
	}
	return filepath.Join(cache, "cellfed-demo"), nil
}

func statePath(dir string) string { return filepath.Join(dir, "processes.json") }

// save writes down what runs, in the order in which it is to be stopped.
func save(dir string, env *framework.Environment) error {
	var all []keptProcess
	for _, process := range env.Processes() {
		started, err := startTime(process.PID())
		if err != nil {
			return fmt.Errorf("write down the process %s: %w", process.Name, err)
		}
		all = append(all, keptProcess{Name: process.Name, PID: process.PID(), Started: started})
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write down what runs: %w", err)
	}
	if err := os.WriteFile(statePath(dir), data, 0o600); err != nil {
		return fmt.Errorf("write down what runs: %w", err)
	}
	return nil
}

// stop stops a demo that was left running and removes its data.
func stop(ctx context.Context, say *narrator) error {
	dir, err := keptDir()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(statePath(dir))
	if errors.Is(err, os.ErrNotExist) {
		say.line("No demo was left running")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what runs: %w", err)
	}
	var all []keptProcess
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("read what runs from %s: %w", statePath(dir), err)
	}
	for _, process := range all {
		if err := process.stop(ctx); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the demo's data: %w", err)
	}
	say.line(fmt.Sprintf("Stopped the %d processes of the demo and removed its data", len(all)))
	return nil
}

func (p keptProcess) running() bool {
	started, err := startTime(p.PID)
	return err == nil && started == p.Started
}

func (p keptProcess) stop(ctx context.Context) error {
	if !p.running() {
		return nil
	}
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s (process %d): %w", p.Name, p.PID, err)
	}
	ended := func(context.Context) error {
		if p.running() {
			return errors.New("it still runs")
		}
		return nil
	}
	what := fmt.Sprintf("%s (process %d) to end", p.Name, p.PID)
	if framework.Poll(ctx, stopTimeout, what, ended) == nil {
		return nil
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s (process %d): %w", p.Name, p.PID, err)
	}
	return framework.Poll(ctx, stopTimeout, what, ended)
}

// startTime returns when a process started, from the kernel's table; it fails for a process that has ended.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", fmt.Errorf("look up process %d: %w", pid, err)
	}
	// proc(5): the name in parentheses, which may hold anything, is field 2; the state is field 3, the time field 22.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const state, started = 0, 19
	if len(fields) <= started || fields[state] == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[started], nil
}
