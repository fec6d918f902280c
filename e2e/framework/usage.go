package framework

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc, which is 1/100 s on every architecture that Go runs on.
const clockTick = time.Second / 100

// Usage is what a process has taken of the machine.
type Usage struct {
	// CPU is the time that it has run, in user and in kernel mode, since its start.
	CPU time.Duration
	// Memory is what is resident, in bytes, and Peak the most that has been.
	Memory, Peak uint64
}

// Usage reads what the process has taken, from /proc.
func (p *Process) Usage() (Usage, error) {
	dir := fmt.Sprintf("/proc/%d/", p.PID())
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return Usage{}, fmt.Errorf("read the CPU time of %s: %w", p.Name, err)
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return Usage{}, fmt.Errorf("read the memory of %s: %w", p.Name, err)
	}
	usage, err := parseUsage(stat, string(status))
	if err != nil {
		return Usage{}, fmt.Errorf("read what %s takes: %w", p.Name, err)
	}
	return usage, nil
}

func parseUsage(stat []byte, status string) (Usage, error) {
	var usage Usage
	// The name of the program, in parentheses, may hold anything; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return usage, errors.New("stat is cut short")
	}
	for _, text := range fields[11:13] {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return usage, fmt.Errorf("a time of %q ticks: %w", text, err)
		}
		usage.CPU += time.Duration(ticks) * clockTick
	}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		target := map[string]*uint64{"VmRSS": &usage.Memory, "VmHWM": &usage.Peak}[name]
		if target == nil {
			continue
		}
		kilobytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return usage, fmt.Errorf("%s is %q: %w", name, strings.TrimSpace(value), err)
		}
		*target = kilobytes << 10
	}
	return usage, nil
}
