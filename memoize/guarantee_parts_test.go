package memoize_test

import (
	"io"
	"log/slog"

	"github.com/perennial-go/perennial/entry"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// panicky is a strategy all of whose methods panic.
type panicky struct{}

func (panicky) MarkRead(string)                        { panic("boom") }
func (panicky) MarkWritten(_ string, _, _ *entry.Meta) { panic("boom") }
func (panicky) MarkReleased(string, *entry.Meta)       { panic("boom") }
func (panicky) NextToRelease() (string, bool)          { panic("boom") }
