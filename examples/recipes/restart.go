package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// warmRestart is a program that runs twice.
func warmRestart(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "recipes")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "users.snapshot")
	for range 2 {
		if err := program(ctx, w, path); err != nil {
			return err
		}
	}
	return nil
}

func program(ctx context.Context, w io.Writer, path string) error {
	db := newDatabase()
	// region start
	users, err := memoize.New(db.user, config.Name("users"))
	if err != nil {
		return err
	}
	restored, err := users.RestoreFile(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(w, "starting with what could be read:", err) // no reason not to start
	}
	// endregion
	for _, id := range []string{"u1", "u2"} {
		if _, err := users.Call(ctx, id); err != nil {
			return err
		}
	}
	// region end
	if err := users.Close(ctx); err != nil {
		return err
	}
	saved, err := users.SaveFile(ctx, path)
	// endregion
	fmt.Fprintln(w, "restored", restored, "loaded", db.asked, "saved", saved)
	return err
}
