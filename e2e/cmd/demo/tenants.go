package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// tenants adds a second tenant, and shows what its user is refused.
func (d *demo) tenants(ctx context.Context) error {
	d.say.title("A second tenant, globex, uses one of the clusters too")
	err := d.doAll(ctx,
		"apply -f examples/second-tenant.yaml",
		"-n globex-prod wait --for=condition=Ready cells --all --timeout=120s",
	)
	if err != nil {
		return err
	}
	before, err := d.resourceVersion(ctx, cells[0])
	if err != nil {
		return err
	}
	d.say.title("Its user mallory reaches for what is acme's, and is refused")
	if err := d.refused(ctx, "--as mallory apply -f examples/refused.yaml", "gx2", "acme-prod.rz00a"); err != nil {
		return err
	}
	if err := d.refused(ctx, "--as mallory -n acme-prod get federatedconfigmaps", "forbidden"); err != nil {
		return err
	}
	after, err := d.resourceVersion(ctx, cells[0])
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("what globex tried changed acme's object in rz00a, from resource version %s to %s", before, after)
	}
	d.say.check("Each of them was refused, and in rz00a acme's object has the resource version that it had")
	return nil
}

// refused runs kubectl, which has to fail, and say each of the words.
func (d *demo) refused(ctx context.Context, line string, words ...string) error {
	args := strings.Fields(line)
	cmd := d.kubectl.Command(ctx, args...)
	cmd.Dir = d.root
	out, err := cmd.CombinedOutput()
	d.say.command(args, string(out))
	if _, failed := errors.AsType[*exec.ExitError](err); !failed {
		return fmt.Errorf("kubectl %s: want a refusal, got %w", line, errors.Join(errors.New("an end without one"), err))
	}
	for _, word := range words {
		if !strings.Contains(string(out), word) {
			return fmt.Errorf("kubectl %s: the refusal does not say %q", line, word)
		}
	}
	return nil
}
