// Package quiet keeps go-redis from logging that a server is away, in the tests
// that import it: there it is away on purpose.
package quiet

import (
	"context"

	"github.com/redis/go-redis/v9"
)

func init() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
