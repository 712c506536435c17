package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/perennial-go/perennial/storage/synced"
)

// board is the flags, as one process has them.
type board struct {
	name   string
	memory *synced.Memory
	flags  *synced.Memory
	log    *synced.List[string]
}

func open(ctx context.Context, host string, port int, name string) (*board, error) {
	// region open
	memory, err := synced.Open(ctx, synced.Host(host), synced.Port(port), synced.Prefix("example:"))
	if err != nil {
		return nil, err
	}
	flags := memory.Scope("flags")
	log, err := synced.NewList[string](memory, "log")
	// endregion
	return &board{name, memory, flags, log}, err
}

const usage = "commands: on FLAG, off FLAG, flip FLAG, show, log, flush; an empty line or the end of the input ends"

// serve obeys a line at a time, and answers each by one.
func (b *board) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	fmt.Fprintln(out, usage)
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "" {
		answer, err := b.obey(ctx, lines.Text())
		if errors.Is(err, synced.ErrQueued) {
			answer, err = "queued, until the server is back", nil
		}
		if err != nil {
			answer = err.Error()
		}
		fmt.Fprintln(out, answer)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return errors.Join(lines.Err(), b.memory.Close(ctx))
}

func (b *board) obey(ctx context.Context, line string) (string, error) {
	verb, name, _ := strings.Cut(line, " ")
	switch verb {
	case "show":
		return b.show(ctx)
	case "log":
		entries, err := b.log.All(ctx)
		return fmt.Sprint(len(entries), " entries"), err
	case "flush":
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return "nothing waits any more", b.memory.Flush(ctx)
	case "on", "off", "flip":
		return "committed", b.change(ctx, verb, name)
	}
	return usage, nil
}

// region change
func (b *board) change(ctx context.Context, verb, name string) error {
	on, err := synced.NewVar[bool](b.flags, name)
	if err != nil {
		return err
	}
	if verb == "flip" {
		_, err = on.Update(ctx, func(now bool) (bool, error) { return !now, nil })
	} else {
		err = on.Set(ctx, verb == "on")
	}
	if err != nil && !errors.Is(err, synced.ErrQueued) {
		return err
	}
	return b.log.Append(ctx, b.name+": "+verb+" "+name)
}

// endregion

// show is all flags, from the server, or from this process while that is away.
func (b *board) show(ctx context.Context) (string, error) {
	names, err := b.flags.Names(ctx)
	if err != nil {
		return "", err
	}
	var all []string
	for _, name := range names {
		on, err := synced.NewVar(b.flags, name, synced.Default(false))
		if err != nil {
			return "", err
		}
		value, err := on.Get(ctx)
		if err != nil {
			return "", err
		}
		all = append(all, fmt.Sprintf("%s=%v", name, value))
	}
	return strings.Join(all, " "), nil
}
