module github.com/perennial-go/perennial

go 1.25.0

// Requirements stand at the lowest versions that work, so that nobody who
// imports this module is forced up.
require github.com/benbjohnson/clock v1.3.5

require github.com/klauspost/compress v1.18.7

require github.com/redis/go-redis/v9 v9.7.3

require golang.org/x/sync v0.12.0

require go.uber.org/goleak v1.3.0

require (
	github.com/cespare/xxhash/v2 v2.2.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
)
