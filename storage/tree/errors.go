package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

var (
	// ErrNotFound says that nothing is at a path or below it.
	ErrNotFound = errors.New("tree: nothing is there")
	// ErrNotInteger says that Add found a node, or a value that is no integer, or that the
	// sum exceeds 64 bits. Nothing is changed.
	ErrNotInteger = errors.New("tree: that is no integer of 64 bits")
	// ErrReadOnly says that the server takes no writes now: it is a replica, or has too few
	// replicas, or its disk or memory is full. The error says which. Nothing is changed.
	ErrReadOnly = errors.New("tree: the server takes no writes")
	// ErrRefused marks an error that retrying won't mend: of a wrong password, user or
	// database, of missing rights, or of a server without scripts. Nothing is changed.
	ErrRefused = errors.New("tree: the server refuses that")
	// ErrDatabase says that Databases has no database of that name.
	ErrDatabase = errors.New("tree: no database has that name")
)

const doClear = "use a prefix that nobody else has, or Clear the tree"

// remedies come before those that all packages have. Answers of the tree's own scripts
// are among them.
var remedies = []redisask.Remedy{
	{Says: "NOTANINTEGER", Cause: causeNotInteger, Do: "see by Get what it is, and replace it by Set"},
	{Says: "TOOLARGE", Cause: causeTooLarge, Do: "do it to its children one by one, or raise MaxLeaves"},
	{Says: "FOREIGN", Cause: redisask.Foreign, Do: doClear},
	{Says: "WRONGTYPE", Cause: redisask.Foreign, Do: "something else is stored under the tree's keys: " + doClear},
}

// Causes of this package's own.
const (
	causeNotInteger redisask.Cause = -1 - iota
	causeTooLarge
)

// sentinels is what errors match, by their causes.
var sentinels = map[redisask.Cause]error{
	causeNotInteger:  ErrNotInteger,
	causeTooLarge:    ErrTooLarge,
	redisask.Foreign: storage.ErrUnreadable,
	redisask.Login:   ErrRefused,
	redisask.Rights:  ErrRefused,
	redisask.Setup:   ErrRefused,
	redisask.Replica: ErrReadOnly,
	redisask.TooFew:  ErrReadOnly,
	redisask.NoRoom:  ErrReadOnly,
}

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb string, path []string, err error) error {
	cause, err := redisask.Explain(ctx, Text(path), err, remedies...)
	if sentinel := sentinels[cause]; sentinel != nil {
		err = fmt.Errorf("%w: %w", sentinel, err)
	}
	return fmt.Errorf("tree: %s %q: %w", verb, shortened(path), err)
}

// shortened is the text of a path, of which errors show no more than can be read.
func shortened(path []string) string {
	const most = 200
	if text := Text(path); len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return Text(path)
}
