module github.com/perennial-go/perennial/storage/boltstore

go 1.25.0

require (
	github.com/benbjohnson/clock v1.3.5
	github.com/perennial-go/perennial v0.0.0
	go.etcd.io/bbolt v1.5.0
	go.uber.org/goleak v1.3.0
)

require golang.org/x/sys v0.45.0 // indirect

replace github.com/perennial-go/perennial => ../..
