module github.com/perennial-go/perennial/storage/memcachedstore

go 1.25.0

require (
	github.com/benbjohnson/clock v1.3.5
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c
	github.com/perennial-go/perennial v0.0.0
	go.uber.org/goleak v1.3.0
)

replace github.com/perennial-go/perennial => ../..
